"""PodSecurityConfiguration: what a cluster's administrator says of pods for all namespaces."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from longboat.apiserver.admission.pod_security.levels import (
    LATEST,
    LEVELS,
    MODES,
    PRIVILEGED,
    WRONG_LEVEL,
    Policy,
    Standard,
    version,
)  # fmt: skip
from longboat.apiserver.admission.pod_security.settings import Settings
from longboat.machinery import configfile, names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.types.shapes import SCALARS, List

KIND = "PodSecurityConfiguration"
VERSIONS = tuple(f"pod-security.admission.config.k8s.io/{version}" for version in ("v1", "v1beta1", "v1alpha1"))

_STRING, _STRINGS = SCALARS["string"], List(SCALARS["string"])
SHAPE = configfile.struct(
    "io.k8s.pod-security-admission.v1.PodSecurityConfiguration",
    kind=_STRING,
    apiVersion=_STRING,
    defaults=configfile.struct(
        "io.k8s.pod-security-admission.v1.PodSecurityDefaults",
        **{f"{mode}{part}": _STRING for mode in MODES for part in ("", "-version")},
    ),
    exemptions=configfile.struct(
        "io.k8s.pod-security-admission.v1.PodSecurityExemptions",
        usernames=_STRINGS,
        namespaces=_STRINGS,
        runtimeClasses=_STRINGS,
    ),
)


def settings(found: dict[str, Any]) -> tuple[Settings, Errors]:
    """`found` has the right types already (`SHAPE`)."""
    err = Errors()
    defaults, exempt = found.get("defaults") or {}, found.get("exemptions") or {}
    standards = {mode: _standard(defaults, mode, err) for mode in ("enforce", "warn", "audit")}  # as errors are told

    def each(field: str, problems: Callable[[str], Iterable[str]]) -> frozenset[str]:
        return _distinct(exempt.get(field) or [], Path("exemptions", field), problems, err)

    namespaces = each("namespaces", names.dns1123_label)
    classes = each("runtimeClasses", names.dns1123_subdomain)
    return Settings(Policy(**standards), namespaces, each("usernames", lambda name: ()), classes), err


def _standard(defaults: dict[str, str], mode: str, err: Errors) -> Standard:
    level, said = defaults.get(mode) or PRIVILEGED, defaults.get(f"{mode}-version") or LATEST
    if level not in LEVELS:
        err.invalid(Path("defaults", mode), level, WRONG_LEVEL)
    try:
        return Standard(level, version(said))
    except ValueError as error:
        err.invalid(Path("defaults", f"{mode}-version"), said, str(error))
        return Standard(level)


def _distinct(found: list[str], path: Path, problems: Callable[[str], Iterable[str]], err: Errors) -> frozenset[str]:
    seen: set[str] = set()
    for i, name in enumerate(found):
        if wrong := list(problems(name)):
            err.invalid(path.index(i), name, ", ".join(wrong))
        elif not name:
            err.required(path.index(i))
        elif name in seen:
            err.duplicate(path.index(i), name)
        seen.add(name)
    return frozenset(seen)
