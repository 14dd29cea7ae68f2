"""Whether two parts of an object say the same, and where they do not."""

from __future__ import annotations

import difflib
from typing import Any

import msgspec

from longboat.machinery.objects import Object


def plain(value: Any) -> Any:
    """Without what says nothing: nulls, empty lists and maps, zeros."""
    if isinstance(value, dict):
        found = {key: plain(member) for key, member in value.items()}
        return {key: member for key, member in found.items() if member not in (None, [], {}, "", False, 0)}
    if isinstance(value, list):
        return [plain(member) for member in value]
    return value


def shown(old: Object, new: Object) -> str:
    """A unified diff of the two as JSON."""
    before, after = (
        msgspec.json.format(msgspec.json.encode(plain(part), order="sorted"), indent=2).decode().splitlines()
        for part in (old, new)
    )
    return "\n".join(list(difflib.unified_diff(before, after, lineterm="", n=2))[2:])
