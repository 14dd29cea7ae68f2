"""From a request's bytes to JSON values: bounded, and with the errors of upstream's parser."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec

MAX_DEPTH = 200  # of nesting; upstream allows 10,000, which no object has and no recursive function here needs to bear

TOO_DEEP = "exceeded max depth"


class Malformed(Exception):
    """Not JSON (or YAML); the message is upstream's."""


def decode_json(data: bytes) -> Any:
    """Raises Malformed."""
    try:
        value = msgspec.json.decode(data)
    except RecursionError:
        raise Malformed(TOO_DEEP) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = _read_again(data.decode("utf-8", "replace"))
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and depth(value) > MAX_DEPTH:
        raise Malformed(TOO_DEEP)
    return value


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
        return _whole(json.loads(text, parse_int=_integer, parse_float=_number, parse_constant=_constant))
    except RecursionError:
        raise Malformed(TOO_DEEP) from None
    except json.JSONDecodeError as error:
        raise Malformed(_explain(error, text)) from error


def _whole(value: Any) -> Any:
    """Half surrogates become replacement characters, as in Go."""
    plain = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return msgspec.json.decode(plain)


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
