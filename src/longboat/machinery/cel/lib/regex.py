"""Regular expressions: `matches`, `find` and `findAll`, in RE2's syntax and time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from longboat.aio.cache import short_lru
from longboat.machinery.cel.errors import EvalError
from longboat.machinery.types import patterns

TABLE = """
matches matches (string string) bool
matches matches_string recv.(string string) bool
find string_find_string recv.(string string) string
findAll string_find_all_string recv.(string string) [string]
findAll string_find_all_string_int recv.(string string int) [string]
"""
_PLAIN = re.compile(
    r"""\^?(?:(?:[A-Za-z0-9 _@:/%#,;'"<>=!~&-]|\\[.\-/+*?(){}\[\]|^$]|\[\^?[A-Za-z0-9_./:@ -]+\])"""
    r"""(?:[+*?]|\{\d{1,3}(?:,\d{0,3})?\})?)*\$?"""
)
_LONG = 100_000  # letters: Python's own lets no other thread run meanwhile
_REPEATED = re.compile(r"(?<!\\)(?:[+*?]|\{)")


@short_lru(maxsize=256, longest=512)
def _simple(pattern: str) -> re.Pattern[str] | None:
    """Python's own, where it does the same and has nothing to try twice: plain signs, of which at most one repeats."""
    if not _PLAIN.fullmatch(pattern) or len(_REPEATED.findall(pattern)) > 1:
        return None
    ends = pattern.endswith("$") and not pattern.endswith("\\$")
    try:
        return re.compile(pattern[:-1] + r"\Z" if ends else pattern, re.ASCII)
    except re.error:
        return None  # RE2 says why


def check(pattern: str) -> None:
    """Raises EvalError in Go's words."""
    if _simple(pattern) is None:
        _finder(pattern)


def _finder(pattern: str) -> Any:
    try:
        return patterns.compiled(pattern)
    except patterns.BadPattern as error:
        raise EvalError(str(error)) from error


def matcher(pattern: str) -> Callable[[str], bool]:
    """What says whether a text has the pattern somewhere. Raises EvalError."""
    simple = _simple(pattern)
    if simple is not None:
        search = simple.search

        def matches(text: str) -> bool:
            if len(text) > _LONG:
                return _finder(pattern).search(text.encode("utf-8", "replace")) is not None
            return search(text) is not None

        return matches
    find = _finder(pattern).search
    return lambda text: find(text.encode("utf-8", "replace")) is not None


def _matches(text: str, pattern: str) -> bool:
    return matcher(pattern)(text)


def _find(text: str, pattern: str) -> str:
    simple = _simple(pattern)
    if simple is not None:
        match = simple.search(text)
        return "" if match is None else match[0]
    return next(_found(text, pattern), "")


def _find_all(text: str, pattern: str, most: int = -1) -> list[str]:
    if most < 0 and (simple := _simple(pattern)) is not None:
        return simple.findall(text)  # it has no groups
    return list(islice(_found(text, pattern), None if most < 0 else most))


def _found(text: str, pattern: str) -> Iterator[str]:
    simple = _simple(pattern)
    if simple is not None:
        return (match.group() for match in simple.finditer(text))
    finder = _finder(pattern)
    return (match.group().decode("utf-8", "replace") for match in finder.finditer(text.encode("utf-8", "replace")))


CALLS: dict[str, Callable[..., Any]] = {
    "matches": _matches, "matches_string": _matches, "string_find_string": _find,
    "string_find_all_string": _find_all, "string_find_all_string_int": _find_all,
}  # fmt: skip
