"""Regular expressions that clients bring: RE2, whose time is linear in the text whatever the pattern.

They are Go's own, syntax and meaning. Compiled when first needed, and only some are kept: one may take a megabyte.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

KEPT = 64
MEMORY = 2 << 20  # bytes of a compiled pattern, and of what it remembers while it runs


class BadPattern(ValueError):
    """Not a pattern of RE2, or too large a one; the message is Go's."""


@lru_cache(maxsize=KEPT)
def compiled(pattern: str) -> Any:
    """What searches bytes (of a str it would count every place). Raises BadPattern."""
    import re2  # three megabytes, which only those pay who have a pattern

    options = re2.Options()
    options.max_mem, options.log_errors, options.never_capture = MEMORY, False, True
    try:
        return re2.compile(pattern, options)  # type: ignore[no-untyped-call]
    except re2.error as error:
        said = error.args[0] if error.args else b""
        raise BadPattern(_in_go(said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said))) from None


# RE2's words, and Go's for the same.
_WORDS = {
    "missing )": "missing closing )", "missing ]": "missing closing ]",
    "invalid perl operator": "invalid or unsupported Perl syntax", "invalid repetition size": "invalid repeat count",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "trailing \\": "trailing backslash at end of expression",
}  # fmt: skip


def _in_go(said: str) -> str:
    what, _, where = said.partition(": ")
    return f"error parsing regexp: {_WORDS.get(what, what)}: `{where}`"


def check(pattern: str) -> None:
    """Raises BadPattern."""
    compiled(pattern)


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern is found anywhere in the text. Raises BadPattern."""
    return compiled(pattern).search(text.encode("utf-8", "replace")) is not None  # of str it would count every place
