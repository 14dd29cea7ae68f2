"""Versions of a definition as upstream's messages show them: every field of its own types, in their order."""

from __future__ import annotations

from typing import Any

from longboat.machinery.objects import Object
from longboat.machinery.types import expressions

# JSONSchemaProps without versions: Go's names of its fields.
_FIELDS = """
    ID Schema Ref Description Type Nullable Format Title Default Maximum ExclusiveMaximum Minimum ExclusiveMinimum
    MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Enum MaxProperties MinProperties Required
    Items AllOf OneOf AnyOf Not Properties AdditionalProperties PatternProperties Dependencies AdditionalItems
    Definitions ExternalDocs Example XPreserveUnknownFields XEmbeddedResource XIntOrString XListMapKeys XListType
    XMapType XValidations
""".split()  # noqa: SIM905 - forty words are read more easily so
_NAMES = {
    "ID": "id", "Schema": "$schema", "Ref": "$ref", "XPreserveUnknownFields": "x-kubernetes-preserve-unknown-fields",
    "XEmbeddedResource": "x-kubernetes-embedded-resource", "XIntOrString": "x-kubernetes-int-or-string",
    "XListMapKeys": "x-kubernetes-list-map-keys", "XListType": "x-kubernetes-list-type",
    "XMapType": "x-kubernetes-map-type", "XValidations": "x-kubernetes-validations",
}  # fmt: skip
_TEXTS = ("ID", "Schema", "Description", "Type", "Format", "Title", "Pattern")
_FLAGS = ("Nullable", "ExclusiveMaximum", "ExclusiveMinimum", "UniqueItems", "XEmbeddedResource", "XIntOrString")


def versions(found: list[Object], hoisted: dict[str, Any]) -> list[Object]:
    """`hoisted`: the fields that all have alike, which upstream holds once."""
    return [_version(each, hoisted) for each in found]


def _version(each: Object, hoisted: dict[str, Any]) -> Object:
    def own(field: str) -> Any:
        return None if field in hoisted else each.get(field)

    schema, parts = own("schema"), own("subresources")
    whole = None if schema is None else schema.get("openAPIV3Schema")
    return {
        "Name": each.get("name") or "",
        "Served": bool(each.get("served")),
        "Storage": bool(each.get("storage")),
        "Deprecated": bool(each.get("deprecated")),
        "DeprecationWarning": each.get("deprecationWarning"),
        "Schema": None if schema is None else {"OpenAPIV3Schema": None if whole is None else _schema(whole)},
        "Subresources": None if parts is None else _subresources(parts),
        "AdditionalPrinterColumns": [_column(one) for one in own("additionalPrinterColumns") or ()] or None,
        "SelectableFields": [
            {"JSONPath": one.get("jsonPath") or ""} for one in own("selectableFields") or ()
        ] or None,
    }  # fmt: skip


def _subresources(found: Object) -> Object:
    scale = found.get("scale")
    return {
        "Status": None if found.get("status") is None else {},
        "Scale": None if scale is None else {
            "SpecReplicasPath": scale.get("specReplicasPath") or "",
            "StatusReplicasPath": scale.get("statusReplicasPath") or "",
            "LabelSelectorPath": scale.get("labelSelectorPath"),
        },
    }  # fmt: skip


def _column(found: Object) -> Object:
    texts = {name: found.get(name[0].lower() + name[1:]) or "" for name in ("Name", "Type", "Format", "Description")}
    return texts | {"Priority": found.get("priority") or 0, "JSONPath": found.get("jsonPath") or ""}


def _schema(found: Object) -> Object:
    return {name: _member(name, found.get(_NAMES.get(name, name[0].lower() + name[1:]))) for name in _FIELDS}


def _member(name: str, value: Any) -> Any:
    if name in _TEXTS:
        return value or ""
    if name in _FLAGS:
        return bool(value)
    if value is None:
        return None
    if name in ("AllOf", "OneOf", "AnyOf"):
        return [_schema(one) for one in value]
    if name == "Not":
        return _schema(value)
    if name in ("Properties", "PatternProperties", "Definitions"):
        return {key: _schema(value[key]) for key in sorted(value)}
    if name == "Items":
        many = isinstance(value, list)
        return {
            "Schema": None if many else _schema(value),
            "JSONSchemas": [_schema(v) for v in value] if many else None,
        }
    if name in ("AdditionalProperties", "AdditionalItems"):
        inner = isinstance(value, dict)
        return {"Allows": True if inner else bool(value), "Schema": _schema(value) if inner else None}
    if name == "XValidations":
        return [expressions.shown(one) for one in value]
    return value
