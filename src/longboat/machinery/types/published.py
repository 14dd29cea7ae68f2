"""What OpenAPI documents say of a kind that is brought along: its definition and its list's, in both forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.types.structural import EMBEDDED, INT_OR_STRING, PRESERVE

GROUP_VERSION_KIND = "x-kubernetes-group-version-kind"
_PLACE, _OLDER_PLACE = "#/components/schemas/", "#/definitions/"
NUMBER_OR_NAME = [{"type": "integer"}, {"type": "string"}]
_CONVENTIONS = "More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
_EMBEDDED = {
    "apiVersion": "apiVersion defines the versioned schema of this representation of an object. "
    f"{_CONVENTIONS}#resources",
    "kind": f"kind is a string value representing the type of this object. In CamelCase. {_CONVENTIONS}#types-kinds",
}
_UNSAID = ("nullable", "anyOf", "oneOf", "allOf", "not")  # nor defaults, which upstream prunes as it serves


def definition(kind: Kind, schema: Object, pod: Object, *, older: bool = False) -> Object:
    """The definition in OpenAPI v3's form. `pod` is a built-in kind's, whose identity and metadata are described so.

    `older`: in v2's form. Clients of old check values by it, and think that what has properties has no others: so where
    others are kept, none is named.
    """
    by = {GROUP_VERSION_KIND: [{"group": kind.group, "kind": kind.name, "version": kind.version}]}
    if older and schema.get(PRESERVE):
        return {"type": "object"} | by
    head = _head(pod, older)
    found = _described(_sayable(schema) if older else schema, head["metadata"], older=older)
    found["properties"] = (found.get("properties") or {}) | head
    return found | by


def list_definition(kind: Kind, name: str, pods: Object, *, older: bool = False) -> Object:
    """The definition of a list of the kind that `name` defines. `pods` is that of a built-in list."""
    said = pods["properties"]["items"]["description"].replace("pods", kind.plural)
    item = {"$ref": f"{_OLDER_PLACE if older else _PLACE}{name}"}
    return {
        "description": f"{kind.list_kind} is a list of {kind.name}",
        "type": "object",
        "required": ["items"],
        "properties": _head(pods, older) | {"items": {"description": said, "type": "array", "items": item}},
        GROUP_VERSION_KIND: [{"group": kind.group, "kind": kind.list_kind, "version": kind.version}],
    }


def _head(body: Object, older: bool) -> Object:
    found = {name: body["properties"][name] for name in ("apiVersion", "kind", "metadata")}
    meta = {key: value for key, value in found["metadata"].items() if key != "default"}
    if older:  # v2 knows no description beside a reference; upstream writes one
        (place,) = meta.pop("allOf")
        meta["$ref"] = place["$ref"].replace(_PLACE, _OLDER_PLACE)
    return found | {"metadata": meta}


def _described(schema: Object, metadata: Object, *, older: bool) -> Object:
    """A schema, and in it what embedded resources and numbers or names imply."""
    found = dict(schema)
    if not older and schema.get(INT_OR_STRING) and not schema.get("anyOf") and not schema.get("allOf"):
        found["anyOf"] = NUMBER_OR_NAME
    for name, inner in _inner(schema):
        found[name] = _described(inner, metadata, older=older)
    if "properties" in schema:
        fields = schema["properties"].items()
        found["properties"] = {name: _described(inner, metadata, older=older) for name, inner in fields}
    if schema.get(EMBEDDED) and not (older and schema.get(PRESERVE)):
        identity = {name: {"description": said, "type": "string"} for name, said in _EMBEDDED.items()}
        found["properties"] = (found.get("properties") or {}) | identity | {"metadata": metadata}
        required = schema.get("required") or []
        found["required"] = [*required, *(name for name in ("kind", "apiVersion") if name not in required)]
    return found


def _sayable(schema: Object) -> Object:
    """What v2 can say of a schema: what may be null, or have more than is known, has no type that would hold it."""
    nullable, preserves, kind = schema.get("nullable"), schema.get(PRESERVE), schema.get("type")
    gone = {"default", *_UNSAID}
    if nullable or preserves:
        gone |= {"items", "properties"}
    if nullable or (preserves and kind == "object") or (kind == "array" and (preserves or "items" not in schema)):
        gone.add("type")
    found = {key: value for key, value in schema.items() if key not in gone}
    nulls = {name for name, inner in (found.get("properties") or {}).items() if inner.get("nullable")}
    for name, inner in _inner(found):
        found[name] = _sayable(inner)
        if name == "additionalProperties" and inner.get("nullable"):
            nulls |= set(found.get("required") or ())
    if "properties" in found:
        found["properties"] = {name: _sayable(inner) for name, inner in found["properties"].items()}
    if nulls:
        found["required"] = [name for name in found.get("required") or () if name not in nulls]
    return found if found.get("required") else {key: value for key, value in found.items() if key != "required"}


def _inner(schema: Mapping[str, Any]) -> list[tuple[str, Object]]:
    return [(name, schema[name]) for name in ("items", "additionalProperties") if isinstance(schema.get(name), dict)]
