"""JSON values as YAML, written as go-yaml writes it: which scalars are quoted and how, where lines break, how keys are
ordered. Clients compare what they get.

In Python, since libyaml would hold every thread for as long as the document is. All work is linear in the document.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cmp_to_key
from typing import Any

import msgspec

from longboat.machinery.yaml import plain

WIDTH = 80  # columns after which a line breaks at the next space
LONGEST_KEY = 128  # bytes of a key that is followed by its colon

_json = msgspec.json.Encoder().encode

_SIMPLE = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")  # plain, unless it is a word that means something
_ORDERLY = re.compile(r"[A-Za-z./-]*")  # keys whose natural order is that of their characters
_MEANT = frozenset(
    ("<<", *(sign + word for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")), ".nan", ".NaN", ".NAN")
)
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_TIME = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)(?:[Tt](\d\d?):(\d\d?):(\d\d?)(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)"
    r"| (\d\d?):(\d\d?):(\d\d?)(?:[.,]\d+)?)?"
)
# What go-yaml escapes, but for a line's end; and the two that YAML takes for one.
_UNPRINTED = re.compile("[^\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]|[\u2028\u2029]")
_INDICATES = re.compile(
    "[#,\\[\\]{}&*!|>'\"%@`]|---|\\.\\.\\."  # at the beginning
    "|[-?:](?: |\\Z)"
    "|.*?(?:: |:\\Z| #)"
)
_ESCAPED = re.compile('[^\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]|["\\\\\u2028\u2029]')
_ESCAPES = {
    "\0": "0", "\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r", "\x1b": "e", '"': '"',
    "\\": "\\", "\x85": "N", "\u2028": "L", "\u2029": "P",
}  # fmt: skip
_ONE_SPACE = re.compile("(?<! ) (?! )")
_FIRST_SPACE = re.compile("(?<! ) ")


def encode(value: Any) -> bytes:
    """A document, or a part of one that begins its lines at the first column. Maps are sorted."""
    out: list[str] = []
    _write(value, "", "", out)
    return "".join(out).encode("utf-8", "replace")


def _write(value: Any, lead: str, indent: str, out: list[str]) -> None:
    """A value, each line of it ended. `lead` goes before its first line, `indent` before every other."""
    if type(value) is dict and value:
        for name in in_order(value):
            member = value[name]
            key = _key(name)
            if len(name) * 4 > LONGEST_KEY and len(name.encode()) > LONGEST_KEY:
                out.append(f"{lead}? {key}\n")
                _write(member, f"{indent}: ", indent + "  ", out)
            elif type(member) in (dict, list) and member:
                out.append(f"{lead}{key}:\n")
                inner = indent if type(member) is list else indent + "  "
                _write(member, inner, inner, out)
            else:
                head = f"{lead}{key}: "
                out.append(f"{head}{_scalar(member, len(head), indent)}\n")
            lead = indent
    elif type(value) is list and value:
        for member in value:
            _write(member, lead + "- ", indent + "  ", out)
            lead = indent
    else:
        out.append(f"{lead}{_scalar(value, len(lead), indent[:-2])}\n")


def in_order(names: Any) -> list[str]:
    """Keys in go-yaml's order: numbers in them by their value, letters after all else."""
    if all(map(_ORDERLY.fullmatch, names)):
        return sorted(names)
    return sorted(names, key=cmp_to_key(_compared))


def _compared(one: str, other: str) -> int:
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), -1)
    if at < 0:
        return len(one) - len(other)
    a, b = one[at], other[at]
    if a.isalpha() and b.isalpha():
        return -1 if a < b else 1
    if a.isalpha() or b.isalpha():
        after_digit = at > 0 and one[at - 1].isdecimal()
        return -1 if a.isalpha() is after_digit else 1
    # A number goes on here in both: zeros count where it has begun with something else.
    begun = one[:at][len(one[:at].rstrip("0123456789")) :].strip("0") if "0" in (a, b) else ""
    digits = [_digits(text, at) for text in (one, other)]
    values = [int(f"{1 if begun else 0}{found}") for found in digits]
    if values[0] != values[1]:
        return values[0] - values[1]
    if len(digits[0]) != len(digits[1]):
        return len(digits[0]) - len(digits[1])
    return -1 if a < b else 1


def _digits(text: str, at: int) -> str:
    end = at
    while end < len(text) and text[end].isdecimal() and end - at < 18:
        end += 1
    return text[at:end]


def _scalar(value: Any, column: int, indent: str) -> str:
    """What stands from `column` on; lines that follow are two deeper than `indent`."""
    if type(value) is not str:
        return _json(value).decode()
    if _SIMPLE.fullmatch(value) and isinstance(plain(value), str):
        return value
    if "\n" in value:
        return _literal(value, indent + "  ") if _may_be_literal(value) else _double(value, column, indent)
    if _is_meant(value) or _UNPRINTED.search(value):
        return _double(value, column, indent)
    if value == value.strip(" ") and not _INDICATES.match(value):
        return _folded(value, column, indent, _ONE_SPACE)
    return "'" + _folded(value.replace("'", "''"), column + 1, indent, _ONE_SPACE) + "'"


def _key(name: str) -> str:
    """As a scalar, in one line."""
    if _SIMPLE.fullmatch(name) and isinstance(plain(name), str):
        return name
    if _is_meant(name) or "\n" in name or _UNPRINTED.search(name):
        return f'"{_escape(name)}"'
    if name == name.strip(" ") and not _INDICATES.match(name):
        return name
    return "'" + name.replace("'", "''") + "'"


def _is_meant(text: str) -> bool:
    """Whether it would be taken for something else than a text, if it were not quoted."""
    if not isinstance(plain(text), str) or text in _MEANT:
        return True
    if text[0] not in "+-0123456789":
        return False
    return _BASE_60.fullmatch(text) is not None or _is_time(text)


def _is_time(text: str) -> bool:
    found = _TIME.fullmatch(text)
    if found is None:
        return False
    try:
        datetime(*(int(part) for part in found.groups() if part is not None))  # type: ignore[arg-type] # noqa: DTZ001
    except ValueError:
        return False
    return True


def _may_be_literal(text: str) -> bool:
    return not (text.endswith(" ") or " \n" in text or _UNPRINTED.search(text))


def _literal(text: str, indent: str) -> str:
    """Line by line, as it is."""
    hint = "2" if text[0] in " \n" else ""
    chomp = "-" if text[-1] != "\n" else "+" if text[-2:] in ("\n", "\n\n") else ""
    lines = [indent + line if line else "" for line in text.removesuffix("\n").split("\n")]
    return f"|{hint}{chomp}\n" + "\n".join(lines)


def _double(text: str, column: int, indent: str) -> str:
    return '"' + _folded(_escape(text), column + 1, indent, _FIRST_SPACE) + '"'


def _escape(text: str) -> str:
    return _ESCAPED.sub(lambda found: "\\" + (_ESCAPES.get(found[0]) or _number(ord(found[0]))), text)


def _number(code: int) -> str:
    return f"x{code:02X}" if code < 0x100 else f"u{code:04X}" if code < 0x10000 else f"U{code:08X}"


def _folded(text: str, column: int, indent: str, spaces: re.Pattern[str]) -> str:
    """Broken at the first of these spaces after `WIDTH`, and again."""
    if column + len(text) <= WIDTH:
        return text
    out, start = [], 0
    for space in spaces.finditer(text):
        at = space.start()
        if column + at - start > WIDTH and 0 < at < len(text) - 1:
            escaped = "\\" if text[at + 1] == " " else ""  # a line's first spaces would be lost
            out.append(f"{text[start:at]}\n{indent}  {escaped}")
            start, column = at + 1, len(indent) + 2 + len(escaped)
    return "".join(out) + text[start:]
