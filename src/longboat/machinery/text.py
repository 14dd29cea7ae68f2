"""From a request's bytes to JSON values: bounded, and with the errors of upstream's parsers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

MAX_YAML_NODES = 1_000_000  # once aliases are expanded

_KEY = re.compile(rb'(?<!\\)"\s*:')


class Malformed(Exception):
    """Not JSON (or YAML); the message is upstream's."""


def decode_json(data: bytes) -> Any:
    """Raises Malformed."""
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        raise Malformed("json parse error: exceeded max depth") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"json parse error: {_explain(data, str(error))}") from error


def _explain(data: bytes, otherwise: str) -> str:
    """Why it is not JSON, in the words of Go's decoder."""
    text = data.decode("utf-8", "replace")
    try:
        json.loads(text)
    except RecursionError:
        return "exceeded max depth"
    except json.JSONDecodeError as error:
        at = error.pos
        if error.msg.startswith("Unterminated string") or at >= len(text.rstrip()):
            return "unexpected end of JSON input"
        return f"invalid character {_shown(text[at])} {_context(error, text)}"
    return otherwise


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


def decode_yaml(data: bytes) -> Any:
    """One YAML document as JSON values. Raises Malformed."""
    import yaml

    loader = yaml.CSafeLoader(data)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _expanded(node, {}) > MAX_YAML_NODES:
            raise Malformed("yaml: document contains excessive aliasing")
        value = loader.construct_document(node)
    except yaml.YAMLError as error:
        raise Malformed(f"yaml: {_problem(error)}") from error
    except RecursionError:
        raise Malformed("yaml: exceeded max depth") from None
    finally:
        loader.dispose()
    return _as_json(value)


def _problem(error: Any) -> str:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}: {what}" if mark else what


def _expanded(node: Any, known: dict[int, int]) -> int:
    """How many nodes there are once every alias is written out."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = MAX_YAML_NODES + 1  # met again while still inside: it contains itself
    total = 1
    if isinstance(node.value, list):
        for part in node.value:
            total += sum(_expanded(n, known) for n in (part if isinstance(part, tuple) else (part,)))
    known[id(node)] = total
    return total


def _as_json(value: Any) -> Any:
    """YAML's dates become the text they were, its keys strings."""
    if isinstance(value, dict):
        return {k if isinstance(k, str) else json.dumps(k, default=str): _as_json(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_as_json(v) for v in value]
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else str(value)


def members(data: bytes) -> int:
    """How many object members the JSON text seems to have; never fewer than it has."""
    return len(_KEY.findall(data))


def duplicates(data: bytes) -> Iterator[str]:
    """The paths of fields that are given more than once in one object."""
    yield from _repeated(json.loads(data, object_pairs_hook=_Pairs), "")


class _Pairs(dict[str, Any]):
    """An object that remembers which of its names came more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        seen: set[str] = set()
        self.again = [name for name, _ in pairs if name in seen or seen.add(name)]  # type: ignore[func-returns-value]


def _repeated(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, _Pairs):
        for name in dict.fromkeys(value.again):
            yield f"{path}.{name}" if path else name
        for name, member in value.items():
            yield from _repeated(member, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for i, member in enumerate(value):
            yield from _repeated(member, f"{path}[{i}]")
