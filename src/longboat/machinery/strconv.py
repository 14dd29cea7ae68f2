"""Numbers and booleans in text, as Go's strconv and upstream's query conversion read them, and in their words."""

from __future__ import annotations

import re

from longboat.machinery.fieldpath import quoted

_DIGITS = re.compile(r"[0-9]+")
_SIGNED = re.compile(r"[+-]?[0-9]+")


def integer(text: str) -> int:
    """A signed 64-bit integer. Raises ValueError in the words of strconv.ParseInt."""
    return _parsed("ParseInt", _SIGNED, text, -(1 << 63), (1 << 63) - 1)


def unsigned(text: str) -> int:
    """An unsigned 64-bit integer. Raises ValueError in the words of strconv.ParseUint."""
    return _parsed("ParseUint", _DIGITS, text, 0, (1 << 64) - 1)


def _parsed(function: str, form: re.Pattern[str], text: str, least: int, most: int) -> int:
    if not form.fullmatch(text):
        raise ValueError(f"strconv.{function}: parsing {quoted(text)}: invalid syntax")
    digits = text.lstrip("+-").lstrip("0") or "0"
    found = int(digits[:21]) * (-1 if text[0] == "-" else 1)  # what has more is out of range whatever follows
    if not least <= found <= most:
        raise ValueError(f"strconv.{function}: parsing {quoted(text)}: value out of range")
    return found


def flag(text: str) -> bool:
    """A query parameter that is there: only 0 and false, in any case, are not true (apimachinery, url.Values)."""
    return text != "0" and text.lower() != "false"
