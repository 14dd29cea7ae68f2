"""One scene, played with any client library (`libraries.py`), and what was seen.

A definition is made and awaited; an object is created, applied by others with and without conflicts, given a status,
scaled, deleted; and what a watch tells of all that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

Object = dict[str, Any]


class Refused(Exception):
    """The API's status code."""

    @property
    def code(self) -> int:
        return int(self.args[0])


class Library(Protocol):
    """`apply`, `patch` and the like are of the Box called `a` in the namespace default."""

    def define(self, definition: Object) -> None: ...
    def established(self, name: str) -> bool: ...
    def version(self) -> str: ...  # of the list, from where to watch
    def create(self, obj: Object) -> Object: ...
    def apply(self, obj: Object, manager: str, *, force: bool) -> Object: ...
    def patch(self, change: Object, part: str) -> Object: ...
    def watch(self, version: str) -> Iterator[str]: ...
    def delete(self) -> None: ...
    def get(self) -> Object: ...


def definition(group: str) -> Object:
    sizes, replicas = {"type": "string", "enum": ["small", "medium", "large"]}, {"type": "integer", "default": 1}
    spec = {"type": "object", "properties": {"size": sizes, "replicas": replicas}}
    status = {"type": "object", "properties": {"phase": {"type": "string"}, "replicas": {"type": "integer"}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"boxes.{group}"},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"plural": "boxes", "singular": "box", "kind": "Box"},
            "versions": [{
                "name": "v1", "served": True, "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}},
                "subresources": {"status": {}, "scale": {
                    "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}},
            }],
        },
    }  # fmt: skip


def box(group: str, size: str, name: str = "a") -> Object:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": f"{group}/v1", "kind": "Box", "metadata": metadata, "spec": {"size": size}}


def code(call: Any, *args: Any, **named: Any) -> int:
    try:
        call(*args, **named)
    except Refused as refused:
        return refused.code
    return 0


def play(library: Library, group: str) -> Object:
    seen: Object = {}
    library.define(definition(group))
    seen["established"] = library.established(f"boxes.{group}")
    before = library.version()
    seen["created"] = library.create(box(group, "small"))["spec"]["size"]
    seen["refused"] = code(library.create, box(group, "huge", "b"))
    seen["applied"] = library.apply(box(group, "large"), "one", force=True)["spec"]["size"]
    seen["conflict"] = code(library.apply, box(group, "medium"), "two", force=False)
    seen["forced"] = library.apply(box(group, "medium"), "two", force=True)["spec"]["size"]
    seen["status"] = library.patch({"status": {"phase": "Ready"}, "spec": {"size": "small"}}, "status")["status"]
    seen["replicas"] = library.patch({"spec": {"replicas": 3}}, "scale")["spec"]["replicas"]
    library.delete()
    events: list[str] = []
    for event in library.watch(before):
        if events[-1:] != [event]:
            events.append(event)
        if event == "DELETED":
            break
    seen["events"] = events
    seen["gone"] = code(library.get)
    return seen
