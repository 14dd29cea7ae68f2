"""From a request's bytes to JSON values: bounded, and with the errors of upstream's parser."""

from __future__ import annotations

import heapq
import json
import json.decoder
import json.scanner
import math
import re
from collections.abc import Collection
from typing import Any

import msgspec

MAX_DEPTH = 200  # of nesting; upstream allows 10,000, which no object has and no recursive function here needs to bear

LONG = 256 << 10  # characters that the decoder in C reads in ten milliseconds, whatever they are
# Escapes, and of these (group 1) what is half a surrogate pair without the other half.
_LOW = r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HIGH = r"\\u[dD][89abAB][0-9a-fA-F]{2}"
_ESCAPES = re.compile(rf"{_HIGH}{_LOW}|({_HIGH}|{_LOW})|\\.", re.DOTALL)

# Objects and arrays of a body. What is stored may have 1.5 MiB: that many only if each had less than six bytes.
MAX_COMPOUNDS = 300_000
TOO_MANY = f"more than {MAX_COMPOUNDS} objects and arrays"
PIECE = 64 << 10  # bytes
PART = 20_000  # names that are sorted at once

TOO_DEEP = "exceeded max depth"


class Malformed(Exception):
    """Not JSON (or YAML); the message is upstream's."""


def decode_json(data: bytes) -> Any:
    """Raises Malformed."""
    brackets = _brackets(data)
    if brackets > MAX_COMPOUNDS and _brackets_outside_strings(data) > MAX_COMPOUNDS:
        raise Malformed(TOO_MANY)
    try:
        value = msgspec.json.decode(data)
    except RecursionError:
        raise Malformed(TOO_DEEP) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = _read_again(_ESCAPES.sub(_whole, data.decode("utf-8", "replace")))
    if brackets > MAX_DEPTH and depth(value) > MAX_DEPTH:
        raise Malformed(TOO_DEEP)
    return value


def _brackets(data: bytes) -> int:
    return data.count(b"{") + data.count(b"[")


def _brackets_outside_strings(data: bytes) -> int:
    """In pieces, none of which takes long."""
    plain = data.replace(rb"\\", b"").replace(rb"\"", b"")
    found, inside = 0, 0
    for start in range(0, len(plain), PIECE):
        parts = plain[start : start + PIECE].split(b'"')
        found += _brackets(b"".join(parts[inside::2]))
        inside ^= (len(parts) - 1) & 1
    return found


def in_order(found: Collection[str]) -> list[str]:
    """Sorted. Very many are sorted in parts, since one call into C holds every thread until it returns."""
    if len(found) <= PART:
        return sorted(found)
    names = list(found)
    parts = [sorted(names[i : i + PART]) for i in range(0, len(names), PART)]
    return list(heapq.merge(*parts))


def depth(value: Any) -> int:
    """How deep arrays and objects are nested: 0 for a scalar, 1 for [] or {}."""
    found, level = 0, [value]
    while level := [member for member in level if type(member) is dict or type(member) is list]:
        found += 1
        level = [
            child for member in level for child in (member.values() if type(member) is dict else member)
        ]  # fmt: skip
    return found


def _read_again(text: str) -> Any:
    """What the fast decoder refused: broken Unicode and great numbers, which upstream takes, or no JSON at all."""
    try:
        return loads(text, parse_int=_integer, parse_float=_number, parse_constant=_constant)
    except RecursionError:
        raise Malformed(TOO_DEEP) from None
    except json.JSONDecodeError as error:
        raise Malformed(_explain(error, text)) from error


def loads(text: str, **hooks: Any) -> Any:
    """As json.loads. A long text is read by the decoder in Python: the one in C would hold every thread up to its end.

    Raises json.JSONDecodeError, RecursionError.
    """
    if len(text) <= LONG:
        return json.loads(text, **hooks)
    decoder: Any = json.JSONDecoder(**hooks)
    decoder.parse_object = json.decoder.JSONObject  # type: ignore[attr-defined]
    decoder.parse_array = json.decoder.JSONArray  # type: ignore[attr-defined]
    decoder.scan_once = json.scanner.py_make_scanner(decoder)  # type: ignore[attr-defined]
    return decoder.decode(text)


def _whole(escape: re.Match[str]) -> str:
    """Half surrogates become replacement characters, as in Go."""
    half = escape[1]
    return escape[0] if half is None else "\\ufffd"


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 19 else _number(digits)


def _number(digits: str) -> float:
    found = float(digits)
    if math.isinf(found):
        raise Malformed(f"json: cannot unmarshal number {digits} into Go value of type float64")
    return found


def _constant(name: str) -> None:
    raise Malformed(f"invalid character '{name.lstrip('-')[0]}' looking for beginning of value")


def _explain(error: json.JSONDecodeError, text: str) -> str:
    """Why it is not JSON, in the words of Go's decoder."""
    at = error.pos
    if error.msg.startswith("Unterminated string") or at >= len(text.rstrip()):
        return "unexpected end of JSON input"
    if error.msg == "Expecting value":
        for word in ("true", "false", "null"):
            if text.startswith(word[0], at):
                return _literal(word, text[at:])
    return f"invalid character {_shown(text[at])} {_context(error, text)}"


def _literal(word: str, text: str) -> str:
    for expected, found in zip(word, text, strict=False):
        if expected != found:
            return f"invalid character {_shown(found)} in literal {word} (expecting {_shown(expected)})"
    return "unexpected end of JSON input"


def _shown(char: str) -> str:
    return {"'": r"'\''", '"': "'\"'"}.get(char) or f"'{json.dumps(char, ensure_ascii=False)[1:-1]}'"


def _context(error: json.JSONDecodeError, text: str) -> str:
    match error.msg:
        case "Expecting property name enclosed in double quotes" | "Illegal trailing comma before end of object":
            return "looking for beginning of object key string"
        case "Expecting ':' delimiter":
            return "after object key"
        case "Expecting ',' delimiter":
            return "after object key:value pair" if _inside(text[: error.pos]) == "{" else "after array element"
        case "Extra data":
            return "after top-level value"
        case "Invalid control character at":
            return "in string literal"
    return "in string escape code" if "escape" in error.msg else "looking for beginning of value"


def _inside(text: str) -> str:
    """The bracket that is open at the end of a JSON fragment."""
    open_brackets = []
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"|[{}\[\]]', text):
        if token[0] in "{[":
            open_brackets.append(token[0])
        elif token[0] in "}]" and open_brackets:
            open_brackets.pop()
    return open_brackets[-1] if open_brackets else ""
