"""OpenAPI documents from the published definitions and the kinds that are served. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import msgspec

from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object

RESOURCE = Path(__file__).with_name("openapi.bin")
TYPES = ("application/json", "application/yaml")
PATCHES = (
    "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json",
)  # fmt: skip


class Served(Protocol):
    """What a document has to know of a resource."""

    @property
    def kind(self) -> Kind: ...

    @property
    def verbs(self) -> tuple[str, ...]: ...

    @property
    def has_status(self) -> bool: ...


def definitions() -> dict[str, Any]:
    """Every definition by name, with upstream's descriptions. Large: not kept."""
    found: dict[str, Any] = msgspec.msgpack.decode(zlib.decompress(RESOURCE.read_bytes()))
    return found


def info() -> Object:
    return {"title": "Kubernetes", "version": "v1.36.0"}


def v3(served: Iterable[Served], group: str, version: str) -> Object:
    """The OpenAPI 3.0 document of one group version."""
    known = definitions()
    mine = [s for s in served if (s.kind.group, s.kind.version) == (group, version)]
    names = _names(known)
    paths: Object = {}
    wanted: set[str] = set()
    for resource in mine:
        name = names.get((group, version, resource.kind.name))
        if name is None:
            continue
        wanted.add(name)
        if list_name := names.get((group, version, resource.kind.list_kind)):
            wanted.add(list_name)
        for path, operations in _paths(resource):
            paths[path] = {method: _operation3(action, resource.kind, name) for method, action in operations}
    schemas = {name: _renamed(known[name]) for name in sorted(_closure(known, wanted))}
    return {"openapi": "3.0.0", "info": info(), "paths": paths, "components": {"schemas": schemas}}


def v2(served: Iterable[Served]) -> Object:
    """The whole Swagger 2.0 document."""
    known = definitions()
    names = _names(known)
    paths: Object = {}
    for resource in served:
        kind = resource.kind
        name = names.get((kind.group, kind.version, kind.name))
        if name is None:
            continue
        for path, operations in _paths(resource):
            paths[path] = {method: _operation2(action, kind, name) for method, action in operations}
    return {
        "swagger": "2.0",
        "info": info(),
        "paths": paths,
        "definitions": {name: _swagger(body) for name, body in known.items()},
    }


def _names(known: dict[str, Any]) -> dict[tuple[str, str, str], str]:
    return {
        (gvk["group"], gvk["version"], gvk["kind"]): name
        for name, body in known.items()
        for gvk in body.get("x-kubernetes-group-version-kind", ())
        if not name.startswith("io.k8s.apimachinery")
    }


def _paths(resource: Served) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Each path of a resource with its (method, action) pairs."""
    kind = resource.kind
    base = f"{kind.path}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{kind.path}/{kind.plural}"
    verbs = set(resource.verbs)
    many = [("get", "list"), ("post", "post"), ("delete", "deletecollection")]
    one = [("get", "get"), ("put", "put"), ("patch", "patch"), ("delete", "delete")]
    needed = {"list": "list", "post": "create", "deletecollection": "deletecollection", "get": "get", "put": "update",
              "patch": "patch", "delete": "delete"}  # fmt: skip
    if found := [(m, a) for m, a in many if needed[a] in verbs]:
        yield base, found
    if found := [(m, a) for m, a in one if needed[a] in verbs]:
        yield f"{base}/{{name}}", found
    if resource.has_status:
        yield f"{base}/{{name}}/status", [("get", "get"), ("put", "put"), ("patch", "patch")]
    if kind.namespaced and "list" in verbs:
        yield f"{kind.path}/{kind.plural}", [("get", "list")]


_WRITES = frozenset(("post", "put", "patch"))


def _query(name: str, description: str) -> Object:
    return {"name": name, "in": "query", "description": description, "schema": {"type": "string", "uniqueItems": True}}


DRY_RUN = _query("dryRun", "When present, indicates that modifications should not be persisted.")
FIELD_MANAGER = _query("fieldManager", "The name of the actor or entity that is making these changes.")
FIELD_VALIDATION = _query(
    "fieldValidation", "How the server treats unknown or duplicate fields: Ignore, Warn or Strict."
)


def _gvk(kind: Kind) -> Object:
    return {"group": kind.group, "kind": kind.name, "version": kind.version}


def _operation3(action: str, kind: Kind, name: str) -> Object:
    shape = {"schema": {"$ref": f"#/components/schemas/{name}"}}
    operation: Object = {
        "operationId": f"{action}{kind.version.capitalize()}{kind.name}",
        "responses": {"200": {"description": "OK", "content": {t: shape for t in TYPES}}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _gvk(kind),
    }
    if action in _WRITES:
        operation["parameters"] = [DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION]
        accepted = PATCHES if action == "patch" else TYPES
        body = {"schema": {"type": "object"}} if action == "patch" else shape
        operation["requestBody"] = {"content": {t: body for t in accepted}, "required": True}
    return operation


def _operation2(action: str, kind: Kind, name: str) -> Object:
    shape = {"$ref": f"#/definitions/{name}"}
    operation: Object = {
        "operationId": f"{action}{kind.version.capitalize()}{kind.name}",
        "produces": list(TYPES),
        "responses": {"200": {"description": "OK", "schema": shape}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _gvk(kind),
    }
    if action in _WRITES:
        flat = [
            {key: value for key, value in p.items() if key != "schema"} | p["schema"]
            for p in (DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION)
        ]
        body = {"in": "body", "name": "body", "required": True, "schema": shape}
        operation["parameters"] = [*flat, body]
        operation["consumes"] = list(PATCHES if action == "patch" else TYPES)
    return operation


def _closure(known: dict[str, Any], wanted: set[str]) -> set[str]:
    """The definitions named, and all that they refer to."""
    found, left = set(), list(wanted)
    while left:
        name = left.pop()
        if name in found or name not in known:
            continue
        found.add(name)
        left.extend(_references(known[name]))
    return found


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value.rpartition("/")[2]
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _renamed(node: Any) -> Any:
    """References as OpenAPI 3 has them: a reference with siblings stands inside allOf."""
    if isinstance(node, list):
        return [_renamed(value) for value in node]
    if not isinstance(node, dict):
        return node
    out = {key: _renamed(value) for key, value in node.items() if key != "$ref"}
    if isinstance(ref := node.get("$ref"), str):
        found = {"$ref": f"#/components/schemas/{ref.rpartition('/')[2]}"}
        return {**out, "allOf": [found]} if out else found
    return _plain_unions(out)


def _swagger(node: Any) -> Any:
    if isinstance(node, list):
        return [_swagger(value) for value in node]
    if not isinstance(node, dict):
        return node
    out = {key: _swagger(value) for key, value in node.items() if key != "$ref"}
    if isinstance(ref := node.get("$ref"), str):
        return {**out, "$ref": f"#/definitions/{ref.rpartition('/')[2]}"}
    if "oneOf" in out:
        del out["oneOf"]
        out["type"] = "string"
    return out


def _plain_unions(node: Object) -> Object:
    """The source marks every alternative as nullable; the published documents do not."""
    for alternative in node.get("oneOf", ()):
        if isinstance(alternative.get("type"), list):
            alternative["type"] = next(t for t in alternative["type"] if t != "null")
    return node
