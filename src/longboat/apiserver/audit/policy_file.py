"""Reading a policy file: audit.k8s.io/v1 Policy, checked by upstream's rules (apis/audit/validation)."""

from __future__ import annotations

from pathlib import Path as File
from typing import Any

from longboat.apiserver.audit import rules
from longboat.apiserver.audit.rules import LEVELS, STAGES, Policy
from longboat.machinery import configfile, names
from longboat.machinery.configfile import BadConfiguration
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.types.shapes import ANY, SCALARS, List

KIND, VERSIONS = "Policy", ("audit.k8s.io/v1",)
_STRING, _FLAG = SCALARS["string"], SCALARS["boolean"]
_STRINGS = List(_STRING)
_RULE = configfile.struct(
    "io.k8s.audit.v1.PolicyRule",
    level=_STRING,
    users=_STRINGS,
    userGroups=_STRINGS,
    verbs=_STRINGS,
    resources=List(
        configfile.struct("io.k8s.audit.v1.GroupResources", group=_STRING, resources=_STRINGS, resourceNames=_STRINGS)
    ),
    namespaces=_STRINGS,
    nonResourceURLs=_STRINGS,
    omitStages=_STRINGS,
    omitManagedFields=_FLAG,
)
SHAPE = configfile.struct(
    "io.k8s.audit.v1.Policy",
    kind=_STRING,
    apiVersion=_STRING,
    metadata=ANY,
    rules=List(_RULE),
    omitStages=_STRINGS,
    omitManagedFields=_FLAG,
)


def load(file: File) -> Policy:
    """Raises BadConfiguration, which names the file, and the line or the field."""
    try:
        found = configfile.read(file.read_bytes(), KIND, VERSIONS, SHAPE)
    except OSError as error:
        raise BadConfiguration(f"{file}: {error.strerror}") from error
    except BadConfiguration as error:
        raise BadConfiguration(f"{file}: {error}") from None
    if errors := check(found):
        raise BadConfiguration(f"{file}: {', '.join(str(cause) for cause in errors)}")
    if not found.get("rules"):
        raise BadConfiguration(f"{file}: loaded illegal policy with 0 rules")
    return rules.policy(found)


def check(found: dict[str, Any]) -> Errors:
    """`found` has the right types already (`SHAPE`)."""
    err = Errors()
    for i, rule in enumerate(found.get("rules") or ()):
        where = Path("rules").index(i)
        level = rule.get("level") or ""
        if not level:
            err.required(where.at("level"))
        elif level not in LEVELS:
            err.not_supported(where.at("level"), level, LEVELS, as_given=True)
        urls = rule.get("nonResourceURLs") or []
        _check_urls(urls, where.at("nonResourceURLs"), err)
        _check_resources(rule.get("resources") or (), where.at("resources"), err)
        _check_stages(rule.get("omitStages") or (), where.at("omitStages"), err)
        if urls and (rule.get("resources") or rule.get("namespaces")):
            why = "rules cannot apply to both regular resources and non-resource URLs"
            err.invalid(where.at("nonResourceURLs"), urls, why)
    _check_stages(found.get("omitStages") or (), Path("omitStages"), err)  # upstream would omit none, in silence
    return err


def _check_urls(urls: list[str], path: Path, err: Errors) -> None:
    for i, url in enumerate(urls):
        if url == "*":
            continue
        if not url.startswith("/"):
            err.invalid(path.index(i), url, "non-resource URL rules must begin with a '/' character")
        if "*" in url[:-1]:
            why = "non-resource URL wildcards '*' must be the final character of the rule"
            err.invalid(path.index(i), url, why)


def _check_resources(listed: Any, path: Path, err: Errors) -> None:
    for each in listed:
        group, named = each.get("group") or "", each.get("resourceNames") or []
        if group and (wrong := list(names.dns1123_subdomain(group))):
            err.invalid(path.at("group"), group, ",".join(wrong))
        if named and not each.get("resources"):
            err.invalid(path.at("resourceNames"), named, "using resourceNames requires at least one resource")


def _check_stages(stages: Any, path: Path, err: Errors) -> None:
    for i, stage in enumerate(stages):
        if stage not in STAGES:
            err.invalid(path.index(i), stage, f"allowed stages are {','.join(STAGES)}")
