"""Which requests a FlowSchema is about: whose, and for what."""

from __future__ import annotations

import re

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds import rules

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
SUBJECTS = {"ServiceAccount": "serviceAccount", "User": "user", "Group": "group"}
_GLOB = re.compile(r"[^*]*(/\*)?")  # a wildcard stands alone in the last segment


def policy_rule(rule: Object, path: Path, err: Errors) -> None:
    """A PolicyRulesWithSubjects."""
    if not rule.get("subjects"):
        err.required(path.at("subjects"), "subjects must contain at least one value")
    for i, subject in enumerate(rule.get("subjects") or ()):
        _subject(subject, path.at("subjects").index(i), err)
    of_resources, of_paths = rule.get("resourceRules") or [], rule.get("nonResourceRules") or []
    if not (of_resources or of_paths):
        err.required(path, "at least one of resourceRules and nonResourceRules has to be non-empty")
    for i, each in enumerate(of_resources):
        _resource_rule(each, path.at("resourceRules").index(i), err)
    for i, each in enumerate(of_paths):
        _path_rule(each, path.at("nonResourceRules").index(i), err)


def _subject(subject: Object, path: Path, err: Errors) -> None:
    kind = subject.get("kind") or ""
    if kind not in SUBJECTS:
        err.not_supported(path.at("kind"), kind, SUBJECTS)
        return
    field = SUBJECTS[kind]
    found, at = subject.get(field), path.at(field)
    if found is None:
        err.required(at, f"{field} is required when subject kind is '{kind}'")
    elif kind == "ServiceAccount":
        _service_account(found, at, err)
    elif not found.get("name"):
        err.required(at.at("name"))
    for other, forbidden in SUBJECTS.items():
        if forbidden != field and subject.get(forbidden) is not None:
            err.forbidden(path.at(forbidden), f"{forbidden} is forbidden when subject kind is not '{other}'")


def _service_account(found: Object, path: Path, err: Errors) -> None:
    name, namespace = found.get("name") or "", found.get("namespace") or ""
    if name != "*":
        rules.named(name, path.at("name"), err)
    if not namespace:
        err.required(path.at("namespace"), "must specify namespace for service account")
    else:
        err.extend(path.at("namespace"), names.dns1123_label(namespace), namespace)


def _verbs(rule: Object, path: Path, err: Errors) -> None:
    verbs, at = rule.get("verbs") or [], path.at("verbs")
    if not verbs:
        err.required(at, "verbs must contain at least one value")
    elif "*" not in verbs:
        if not set(VERBS).issuperset(verbs):
            err.not_supported(at, verbs, VERBS)
    elif len(verbs) > 1:
        err.invalid(at, verbs, "if '*' is present, must not specify other verbs")


def _resource_rule(rule: Object, path: Path, err: Errors) -> None:
    _verbs(rule, path, err)
    for field, one, many in (("apiGroups", "api group", "api groups"), ("resources", "resource", "resources")):
        values = rule.get(field) or []
        if not values:
            err.required(path.at(field), f"resource rules must supply at least one {one}")
        elif len(values) > 1 and "*" in values:
            err.invalid(path.at(field), values, f"if '*' is present, must not specify other {many}")
    namespaces, at = rule.get("namespaces") or [], path.at("namespaces")
    if not namespaces and not rule.get("clusterScope"):
        err.required(at, "resource rules that are not cluster scoped must supply at least one namespace")
    elif "*" not in namespaces:
        for i, namespace in enumerate(namespaces):
            for wrong in names.dns1123_label(namespace):
                err.invalid(
                    at.index(i), namespace, f"each member of this list must be '*' or a DNS-1123 label; {wrong}"
                )
    elif len(namespaces) > 1:
        err.invalid(at, namespaces, "if '*' is present, must not specify other namespaces")


def _path_rule(rule: Object, path: Path, err: Errors) -> None:
    _verbs(rule, path, err)
    urls, at = rule.get("nonResourceURLs") or [], path.at("nonResourceURLs")
    if not urls:
        err.required(at, "nonResourceURLs must contain at least one value")
    elif "*" not in urls:
        for i, url in enumerate(urls):
            if why := _path_error(url):
                err.invalid(at.index(i), url, why)
    elif len(urls) > 1:
        err.invalid(at, urls, "if '*' is present, must not specify other non-resource URLs")


def _path_error(url: str) -> str:
    """What is wrong with the path of a request that is not for a resource; only the first thing is told."""
    if not url:
        return "must not be empty"
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    return "" if _GLOB.fullmatch(url) else "wildcard can only do suffix matching"
