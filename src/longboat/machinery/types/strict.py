"""What strict decoding objects to: fields that a type does not have, and fields that are given twice.

In the order of the document, each problem once, at most a hundred, as upstream reports them. Documents that a patch has
made are no text that anybody wrote: there the order is that of names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from longboat.machinery import text
from longboat.machinery.types.shapes import List, Map, Shape, Struct

MOST = 100
YAML_ERRORS = "yaml: unmarshal errors:\n"
_ORDINARY = re.compile(r"[\w.\[\]/-]*", re.ASCII)
_HIDDEN = re.compile(rb"\\u003[aA]")  # a colon spelled as an escape
_encode = msgspec.json.Encoder().encode


class Members(list[tuple[str, Any]]):
    """A JSON object as it was written: pairs, some perhaps with the same name."""


def as_written(data: bytes) -> Any:
    """The document with its objects as Members."""
    # As Go reads broken UTF-8.
    return text.loads(data.decode("utf-8", "replace"), object_pairs_hook=Members)


def repeats(data: bytes, decoded: Any) -> bool:
    """Whether some object in the text may have a member twice. Never misses one; may be wrong about strange spelling.

    A member costs exactly one colon in the text, and those within strings stay as they are: so repeated members show as
    a difference to the value written anew. (One sign is counted many times faster than two.)
    """
    if b"\\" in data and _HIDDEN.search(data):
        return True
    return data.count(b":") != _encode(decoded).count(b":")


def problems(shape: Shape | None, value: Any, *, in_order: bool = False) -> list[str]:
    """`value` is decoded JSON, or `as_written` to find repeated fields too. Without a shape every field is known.
    `in_order`: of names, not of the document."""
    return list(islice(dict.fromkeys(_problems(shape, value, "", in_order)), MOST))


def warnings(found: list[str]) -> list[str]:
    """Problems as warnings: what the YAML parser has put into one is told line by line."""
    if not any(each.startswith(YAML_ERRORS) for each in found):
        return found
    return [
        line.strip()
        for each in found
        for line in (each.removeprefix(YAML_ERRORS).split("\n") if each.startswith(YAML_ERRORS) else (each,))
    ]


def _quoted(path: str) -> str:
    """As Go quotes it."""
    return f'"{path}"' if _ORDINARY.fullmatch(path) else msgspec.json.encode(path).decode()


def _problems(shape: Shape | None, value: Any, path: str, in_order: bool) -> Iterator[str]:
    if isinstance(value, list) and not isinstance(value, Members):
        item = shape.item if isinstance(shape, List) else None
        if shape is None or item is not None:
            for i, member in enumerate(value):
                yield from _problems(item, member, f"{path}[{i}]", in_order)
        return
    if not isinstance(value, (dict, Members)) or not (shape is None or isinstance(shape, (Struct, Map))):
        return
    seen = set()
    members = value.items() if isinstance(value, dict) else value
    for name, member in sorted(members) if in_order else members:
        here = f"{path}.{name}" if path else name
        if isinstance(shape, Struct) and name not in shape.fields:
            yield f"unknown field {_quoted(here)}"
            continue
        if name in seen:
            yield f"duplicate field {_quoted(here)}"
        seen.add(name)
        if shape is None:
            yield from _problems(None, member, here, in_order)
        elif isinstance(shape, Struct):
            yield from _problems(shape.fields[name], member, here, in_order)
        elif isinstance(shape, Map):
            yield from _problems(shape.value, member, here, in_order)
