"""Text: the standard functions, the strings extension in version 2, and `jsonpatch.escapeKey`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from longboat.machinery.cel.errors import EvalError
from longboat.machinery.cel.lib.formatting import formatted, quoted

TABLE = """
contains contains_string recv.(string string) bool
endsWith ends_with_string recv.(string string) bool
startsWith starts_with_string recv.(string string) bool
charAt string_char_at_int recv.(string int) string
indexOf string_index_of_string recv.(string string) int
indexOf string_index_of_string_int recv.(string string int) int
lastIndexOf string_last_index_of_string recv.(string string) int
lastIndexOf string_last_index_of_string_int recv.(string string int) int
lowerAscii string_lower_ascii recv.(string) string
upperAscii string_upper_ascii recv.(string) string
replace string_replace_string_string recv.(string string string) string
replace string_replace_string_string_int recv.(string string string int) string
split string_split_string recv.(string string) [string]
split string_split_string_int recv.(string string int) [string]
substring string_substring_int recv.(string int) string
substring string_substring_int_int recv.(string int int) string
trim string_trim recv.(string) string
join list_join recv.([string]) string
join list_join_string recv.([string] string) string
format string_format recv.(string [dyn]) string
strings.quote strings_quote (string) string
jsonpatch.escapeKey jsonpatch_escapeKey_string (string) string
"""
_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f"
_SPACE += "\u205f\u3000"
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_UPPER = {code + 32: code for code in _LOWER}


def _outside(index: int) -> EvalError:
    return EvalError(f"index out of range: {index}")


def _char_at(text: str, index: int) -> str:
    if not 0 <= index <= len(text):
        raise _outside(index)
    return text[index : index + 1]


def _index_of(text: str, part: str, offset: int = 0) -> int:
    if not part:
        return offset
    if not 0 <= offset < len(text):
        if not offset:
            return -1
        raise _outside(offset)
    return text.find(part, offset)


def _last_index_of(text: str, part: str, offset: int | None = None) -> int:
    if not part:
        return len(text) if offset is None else offset
    if offset is None:
        return text.rfind(part)
    if not 0 <= offset < len(text):
        raise _outside(offset)
    return text.rfind(part, 0, offset + len(part))


def _replaced(text: str, old: str, new: str, count: int = -1) -> str:
    return text.replace(old, new, -1 if count < 0 else count)


def _split(text: str, separator: str, count: int = -1) -> list[str]:
    if count == 0:
        return []
    if separator:
        return text.split(separator, count - 1 if count > 0 else -1)
    if count < 0 or count > len(text):
        return list(text)
    return [*text[: count - 1], text[count - 1 :]]


def _substring(text: str, start: int, end: int | None = None) -> str:
    if end is None:
        if not 0 <= start <= len(text):
            raise _outside(start)
        return text[start:]
    if start > end:
        raise EvalError(f"invalid substring range. start: {start}, end: {end}")
    for each in (start, end):
        if not 0 <= each <= len(text):
            raise _outside(each)
    return text[start:end]


def _joined(parts: list[str], separator: str = "") -> str:
    return separator.join(parts)


CALLS: dict[str, Callable[..., Any]] = {
    "contains_string": lambda text, part: part in text,
    "ends_with_string": str.endswith, "starts_with_string": str.startswith,
    "string_char_at_int": _char_at,
    "string_index_of_string": _index_of, "string_index_of_string_int": _index_of,
    "string_last_index_of_string": _last_index_of, "string_last_index_of_string_int": _last_index_of,
    "string_lower_ascii": lambda text: text.translate(_LOWER),
    "string_upper_ascii": lambda text: text.translate(_UPPER),
    "string_replace_string_string": _replaced, "string_replace_string_string_int": _replaced,
    "string_split_string": _split, "string_split_string_int": _split,
    "string_substring_int": _substring, "string_substring_int_int": _substring,
    "string_trim": lambda text: text.strip(_SPACE),
    "list_join": _joined, "list_join_string": _joined,
    "string_format": formatted, "strings_quote": quoted,
    "jsonpatch_escapeKey_string": lambda text: text.replace("~", "~0").replace("/", "~1"),
}  # fmt: skip
