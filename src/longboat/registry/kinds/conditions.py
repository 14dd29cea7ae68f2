"""What the conditions of a status must be, where they are those of the API's machinery (metav1.Condition)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds import rules

STATUSES = ("False", "True", "Unknown")
LONGEST_REASON, LONGEST_MESSAGE = 1 << 10, 32 << 10  # bytes
_REASON = r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_IS_REASON = re.compile(_REASON)
_NO_REASON = names.mismatch(
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_'",
    _REASON, "my_name", "MY_NAME", "MyName", "ReasonA,ReasonB", "ReasonA:ReasonB",
)  # fmt: skip
_SET = "must be set"


def validate(found: Sequence[Object], path: Path, err: Errors) -> None:
    seen: set[str] = set()
    for i, condition in enumerate(found):
        at, kind = path.index(i), condition.get("type") or ""
        if kind in seen:
            err.duplicate(at.at("type"), kind)
        seen.add(kind)
        _condition(condition, at, err)


def _condition(found: Object, path: Path, err: Errors) -> None:
    status, reason = found.get("status") or "", found.get("reason") or ""
    rules.label_name(found.get("type") or "", path.at("type"), err)
    if status not in STATUSES:
        err.not_supported(path.at("status"), status, STATUSES)
    if (generation := found.get("observedGeneration") or 0) < 0:
        err.invalid(path.at("observedGeneration"), generation, "must be greater than or equal to zero")
    if not found.get("lastTransitionTime"):
        err.required(path.at("lastTransitionTime"), _SET)
    if not reason:
        err.required(path.at("reason"), _SET)
    elif not _IS_REASON.fullmatch(reason):
        err.invalid(path.at("reason"), reason, _NO_REASON)
    if len(reason.encode()) > LONGEST_REASON:
        err.too_long(path.at("reason"), LONGEST_REASON)
    if len((found.get("message") or "").encode()) > LONGEST_MESSAGE:
        err.too_long(path.at("message"), LONGEST_MESSAGE)
