"""What a namespace's labels ask for: a level and a version of the standards for each of three modes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from longboat.machinery.fieldpath import Errors, Path

PREFIX = "pod-security.kubernetes.io/"
PRIVILEGED, BASELINE, RESTRICTED = LEVELS = (
    "privileged",
    "baseline",
    "restricted",
)  # each stricter than the one before
LATEST = "latest"
ENFORCE, AUDIT, WARN = MODES = ("enforce", "audit", "warn")  # in the order in which their labels are looked at

_VERSION = re.compile(r"v1\.(0|[1-9][0-9]*)")
_MOST = 1 << 63  # what a Go int holds
_LABELS = tuple((mode, f"{PREFIX}{mode}", f"{PREFIX}{mode}-version") for mode in MODES)
_EVERY_LABEL = frozenset(label for _, level, version in _LABELS for label in (level, version))
WRONG_LEVEL = f"must be one of {', '.join(LEVELS)}"
WRONG_VERSION = 'must be "latest" or "v1.x"'


@dataclass(frozen=True, slots=True)
class Standard:
    """A level as it was in a version; `minor` None is the latest."""

    level: str
    minor: int | None = None

    def __str__(self) -> str:
        return f"{self.level}:{LATEST if self.minor is None else f'v1.{self.minor}'}"

    def stricter_than(self, other: Standard) -> bool:
        """Of two of the same version."""
        return LEVELS.index(self.level) > LEVELS.index(other.level)


@dataclass(frozen=True, slots=True)
class Policy:
    enforce: Standard
    audit: Standard
    warn: Standard


NONE = Standard(PRIVILEGED)
OPEN = Policy(NONE, NONE, NONE)


def version(said: str) -> int | None:
    """The minor version, None for the latest. Raises ValueError."""
    if said == LATEST:
        return None
    found = _VERSION.fullmatch(said)
    if found is None or (minor := int(found[1])) >= _MOST:
        raise ValueError(WRONG_VERSION)
    return minor


def policy(labels: Mapping[str, str], defaults: Policy) -> tuple[Policy, Errors]:
    """What is asked for, and what is wrong with the asking.

    A value that says nothing means the strictest for what is enforced, and nothing for what is only told.
    """
    errors = Errors()
    if not labels or _EVERY_LABEL.isdisjoint(labels):
        return defaults, errors
    where, found = Path("metadata", "labels"), {}
    for mode, level_label, version_label in _LABELS:
        standard: Standard = getattr(defaults, mode)
        if (level := labels.get(level_label)) is not None:
            if level not in LEVELS:
                errors.invalid(where.key(level_label), level, WRONG_LEVEL)
                level = RESTRICTED if mode == ENFORCE else PRIVILEGED
            standard = replace(standard, level=level)
        if (said := labels.get(version_label)) is not None:
            try:
                minor = version(said)
            except ValueError as error:
                errors.invalid(where.key(version_label), said, str(error))
                minor = None
            standard = replace(standard, minor=minor)
        found[mode] = standard
    return Policy(**found), errors
