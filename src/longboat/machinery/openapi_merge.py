"""Swagger 2.0 documents of several servers made one (kube-openapi, aggregator). Pure.

Of a path that two of them have, the first one's counts. A definition that has another's name and says something else
gets a name of its own: `name_v2`, `name_v3`…; what refers to it, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from longboat.machinery.objects import Object

DEFINITIONS, PARAMETERS = "#/definitions/", "#/parameters/"
_KIND = "x-kubernetes-group-version-kind"


def restricted(document: Object, prefix: str) -> Object:
    """What it says of paths beneath `prefix`, and what that refers to."""
    paths = {path: item for path, item in _map(document, "paths").items() if path.startswith(prefix)}
    found: dict[str, Object] = {"definitions": {}, "parameters": {}}
    waiting: list[Any] = [paths]
    while waiting:
        for reference in _references(waiting.pop()):
            for part, place in (("definitions", DEFINITIONS), ("parameters", PARAMETERS)):
                name = reference.removeprefix(place)
                known = _map(document, part)
                if reference.startswith(place) and name in known and name not in found[part]:
                    found[part][name] = known[name]
                    waiting.append(known[name])
    return {"paths": paths, **found}


def merge(into: Object, other: Object) -> None:
    """Add to a document what another, restricted one says."""
    for part, place in (("definitions", DEFINITIONS), ("parameters", PARAMETERS)):
        theirs, ours = _map(other, part), into.setdefault(part, {})
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
