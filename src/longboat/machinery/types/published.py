"""What OpenAPI documents say of a kind that is brought along: its definition and its list's, in both forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.types.structural import EMBEDDED, INT_OR_STRING, PRESERVE

GROUP_VERSION_KIND = "x-kubernetes-group-version-kind"
NUMBER_OR_NAME = [{"type": "integer"}, {"type": "string"}]
_CONVENTIONS = "More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
_EMBEDDED = {
    "apiVersion": "apiVersion defines the versioned schema of this representation of an object. "
    f"{_CONVENTIONS}#resources",
    "kind": f"kind is a string value representing the type of this object. In CamelCase. {_CONVENTIONS}#types-kinds",
}
# kubectl checks values by the older form: what cannot be said in it is left out, and then nothing is checked.
_UNSAID = ("default", "nullable", "anyOf", "oneOf", "allOf", "not")
_UNKNOWN = ("type", "items", "properties", "additionalProperties", "required")


def definition(kind: Kind, schema: Object, pod: Object) -> Object:
    """The definition in OpenAPI v3's form. `pod` is a built-in kind's, whose identity and metadata are described so."""
    head = _head(pod)
    found = _described(schema, head["metadata"])
    found["properties"] = (found.get("properties") or {}) | head
    return found | {GROUP_VERSION_KIND: [{"group": kind.group, "kind": kind.name, "version": kind.version}]}


def list_definition(kind: Kind, name: str, pods: Object) -> Object:
    """The definition of a list of the kind that `name` defines. `pods` is that of a built-in list."""
    said = pods["properties"]["items"]["description"].replace("pods", kind.plural)
    items = {"description": said, "type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}
    return {
        "description": f"{kind.list_kind} is a list of {kind.name}",
        "type": "object",
        "required": ["items"],
        "properties": _head(pods) | {"items": items},
        GROUP_VERSION_KIND: [{"group": kind.group, "kind": kind.list_kind, "version": kind.version}],
    }


def _head(body: Object) -> Object:
    found = {name: body["properties"][name] for name in ("apiVersion", "kind", "metadata")}
    return found | {"metadata": {key: value for key, value in found["metadata"].items() if key != "default"}}


def _described(schema: Object, metadata: Object) -> Object:
    """A schema, and in it what embedded resources and numbers or names imply."""
    found = dict(schema)
    if schema.get(INT_OR_STRING) and not schema.get("anyOf") and not schema.get("allOf"):
        found["anyOf"] = NUMBER_OR_NAME
    for name, inner in _inner(schema):
        found[name] = _described(inner, metadata)
    if "properties" in schema:
        found["properties"] = {name: _described(inner, metadata) for name, inner in schema["properties"].items()}
    if schema.get(EMBEDDED):
        identity = {name: {"description": said, "type": "string"} for name, said in _EMBEDDED.items()}
        found["properties"] = (found.get("properties") or {}) | identity | {"metadata": metadata}
        required = schema.get("required") or []
        found["required"] = [*required, *(name for name in ("kind", "apiVersion") if name not in required)]
    return found


def swagger(node: Any) -> Any:
    """A definition in OpenAPI v2's form."""
    loose = any(node.get(mark) for mark in ("nullable", PRESERVE, INT_OR_STRING))
    found = {key: value for key, value in node.items() if key not in _UNSAID and not (loose and key in _UNKNOWN)}
    for part in (node.get("allOf") or ()) if len(node.get("allOf") or ()) == 1 else ():
        if "$ref" in part:  # v2 knows no description beside a reference; upstream writes one
            found |= {"$ref": part["$ref"]}
    if "$ref" in found:
        found["$ref"] = found["$ref"].replace("#/components/schemas/", "#/definitions/")
    for name, inner in _inner(found):
        found[name] = swagger(inner)
    if "properties" in found:
        nulls = {name for name, inner in found["properties"].items() if inner.get("nullable")}
        found["properties"] = {name: swagger(inner) for name, inner in found["properties"].items()}
        required = [name for name in found.get("required") or () if name not in nulls]
        found = {key: value for key, value in found.items() if key != "required"} | (
            {"required": required} if required else {}
        )
    return found


def _inner(schema: Mapping[str, Any]) -> list[tuple[str, Object]]:
    return [(name, schema[name]) for name in ("items", "additionalProperties") if isinstance(schema.get(name), dict)]
