"""Swagger 2.0 documents of several servers made one (kube-openapi, aggregator). Pure.

Of a path that two of them have, the first one's counts. A definition that has another's name and says something else
gets a name of its own: `name_v2`, `name_v3`…; what refers to it, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from longboat.machinery.objects import Object

PARTS = {"definitions": "#/definitions/", "parameters": "#/parameters/", "responses": "#/responses/"}
_HEAD = ("info", "securityDefinitions", "produces")  # what is said of all of it
_KIND = "x-kubernetes-group-version-kind"


class _Swagger(msgspec.Struct):
    """Read no further than to what may be left out: most of it is, and it may be long."""

    paths: dict[str, msgspec.Raw] = {}
    definitions: dict[str, msgspec.Raw] = {}
    parameters: dict[str, msgspec.Raw] = {}
    responses: dict[str, msgspec.Raw] = {}
    info: Object = {}
    securityDefinitions: Object = {}
    produces: list[str] = []


class TooLong(ValueError):
    """More is said than is read."""


def restricted(written: bytes, prefix: str, most: int) -> Object:
    """What a document says of paths beneath `prefix`, and what that refers to: of `most` bytes at most. Raises
    DecodeError, TooLong."""
    document = msgspec.json.decode(written, type=_Swagger)
    left = most - sum(len(path) + len(item) for path, item in document.paths.items() if path.startswith(prefix))
    if left < 0:
        raise TooLong(f"it says more than {most} bytes of {prefix}")
    paths = {path: _read(item) for path, item in document.paths.items() if path.startswith(prefix)}
    found: dict[str, Object] = {part: {} for part in PARTS}
    waiting: list[Any] = [paths]
    while waiting:
        for reference in _references(waiting.pop()):
            for part, place in PARTS.items():
                name = reference.removeprefix(place)
                if not reference.startswith(place) or name in found[part]:
                    continue
                if (said := getattr(document, part).get(name)) is not None:
                    left -= len(name) + len(said)
                    if left < 0:
                        raise TooLong(f"it says more than {most} bytes of {prefix}")
                    found[part][name] = _read(said)
                    waiting.append(found[part][name])
    head = {name: said for name in _HEAD if (said := getattr(document, name))}
    return {**head, "paths": paths, **{part: said for part, said in found.items() if said}}


def _read(said: msgspec.Raw) -> Any:
    return msgspec.json.decode(said)


def merge(into: Object, other: Object) -> None:
    """Add to a document what another, restricted one says."""
    for part, place in PARTS.items():
        theirs = _map(other, part)
        ours = into.setdefault(part, {}) if theirs else {}
        renamed = {
            place + name: place + _free(name, said, ours)
            for name, said in theirs.items()
            if name in ours and not _same(ours[name], said)
        }
        if renamed:
            other = _referring(other, renamed)
            other[part] = {renamed.get(place + n, place + n).removeprefix(place): s for n, s in other[part].items()}
        for name, said in _map(other, part).items():
            ours.setdefault(name, said)
    paths = into.setdefault("paths", {})
    for path, item in _map(other, "paths").items():
        paths.setdefault(path, item)


def _free(name: str, said: Any, taken: Mapping[str, Any]) -> str:
    """A name that nobody has, or that of the same definition."""
    number = 2
    while (free := f"{name}_v{number}") in taken and not _same(taken[free], said):
        number += 1
    return free


def _same(one: Any, other: Any) -> bool:
    """Which kinds a definition is of may differ: servers know different ones."""
    return bool(_said(one) == _said(other))


def _said(definition: Any) -> Any:
    if isinstance(definition, dict):
        return {key: value for key, value in definition.items() if key != _KIND}
    return definition


def _references(node: Any) -> list[str]:
    found: list[str] = []
    nodes = [node]
    while nodes:
        each = nodes.pop()
        if isinstance(each, dict):
            if isinstance(reference := each.get("$ref"), str):
                found.append(reference)
            nodes += each.values()
        elif isinstance(each, list):
            nodes += each
    return found


def _referring(node: Any, renamed: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {
            key: renamed.get(value, value) if key == "$ref" and isinstance(value, str) else _referring(value, renamed)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_referring(each, renamed) for each in node]
    return node


def _map(document: Object, part: str) -> Object:
    found = document.get(part)
    return found if isinstance(found, dict) else {}
