"""OpenAPI v3 documents in protobuf (gnostic's OpenAPIv3.proto): whole, paths and all. Pure.

A document's JSON and its messages have the same shape, so they are one table: each message's fields by their names in
JSON, with their numbers and what they hold.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from longboat.machinery.openapi_proto import message, named, text, varint

_STRING, _BOOL, _INT, _DOUBLE, _ANY, _DEFAULT = "string", "bool", "int", "double", "any", "default"

# `name=number` and, but for strings, `:what it holds`. `?` behind a message: it, or a reference. `*` behind it:
# several; `%`: several by name. The field of extensions is named `x-`.
_TABLE = {
    "Document": "openapi=1 info=2:Info paths=4:Paths components=5:Components",
    "Info": "title=1 description=2 version=6",
    "Paths": "/=1:PathItem%",
    "Components": "schemas=1:Schemas responses=2:Responses parameters=3:Parameters securitySchemes=7:SecuritySchemes",
    "Parameters": "=1:Parameter?%",
    "Schemas": "=1:Schema?%",
    "SecuritySchemes": "=1:SecurityScheme?%",
    "SecurityScheme": "type=1 description=2 name=3 in=4 x-=9",
    "PathItem": "get=4:Operation put=5:Operation post=6:Operation delete=7:Operation options=8:Operation"
                " head=9:Operation patch=10:Operation parameters=13:Parameter?* x-=14",
    "Operation": "tags=1:string* summary=2 description=3 externalDocs=4:ExternalDocs operationId=5"
                 " parameters=6:Parameter?* requestBody=7:RequestBody? responses=8:Responses deprecated=10:bool x-=13",
    "ExternalDocs": "description=1 url=2 x-=3",
    "Parameter": "name=1 in=2 description=3 required=4:bool allowEmptyValue=6:bool schema=10:Schema? x-=14",
    "RequestBody": "description=1 content=2:MediaTypes required=3:bool",
    "Responses": "=2:Response?%",
    "Response": "description=1 content=3:MediaTypes x-=5",
    "MediaTypes": "=1:MediaType%",
    "MediaType": "schema=1:Schema?",
    "Items": "one=1:Schema?",
    "Properties": "=1:Schema?%",
    "AdditionalProperties": "one=1:Schema?",
    "Schema": "nullable=1:bool readOnly=3:bool externalDocs=6:ExternalDocs example=7:any"
              " title=9 multipleOf=10:double maximum=11:double exclusiveMaximum=12:bool"
              " minimum=13:double exclusiveMinimum=14:bool maxLength=15:int minLength=16:int pattern=17 maxItems=18:int"
              " minItems=19:int uniqueItems=20:bool maxProperties=21:int minProperties=22:int required=23:string*"
              " enum=24:any* type=25 allOf=26:Schema?* oneOf=27:Schema?* anyOf=28:Schema?* not=29:Schema"
              " items=30:Items properties=31:Properties additionalProperties=32:AdditionalProperties"
              " default=33:default description=34 format=35 x-=36",
}  # fmt: skip
_INSIDE = ("Items", "AdditionalProperties")  # which JSON has without the message about it


class _Field(msgspec.Struct, frozen=True):
    number: int
    holds: str
    or_reference: bool
    many: str  # "", "*" or "%"


def _read(line: str) -> dict[str, _Field]:
    found = {}
    for each in line.split():
        name, _, rest = each.partition("=")
        number, _, holds = rest.partition(":")
        many = holds[-1] if holds[-1:] in ("*", "%") else ""
        holds = holds.removesuffix(many) if many else holds
        found[name] = _Field(int(number), holds.removesuffix("?") or _STRING, holds.endswith("?"), many)
    return found


_MESSAGES = {name: _read(line) for name, line in _TABLE.items()}


def encode(document: Any) -> bytes:
    """A gnostic Document. Raises KeyError for what the table does not have."""
    return _message("Document", document)


def _message(kind: str, node: Any) -> bytes:
    if kind in _INSIDE:
        if isinstance(node, bool):
            return varint(2 << 3) + varint(int(node))
        node = {"one": node}
    fields = _MESSAGES[kind]
    if (every := fields.get("")) or (every := fields.get("/")):
        return b"".join(_by_name(every, node.items()))
    own = {name: value for name, value in node.items() if not name.startswith("x-")}
    out = []
    for name in sorted(own, key=lambda name: fields[name].number):
        field, value = fields[name], own[name]
        for each in value if field.many else (value,):
            out.append(_tagged(field, each))
    for name, value in node.items():
        if name.startswith("x-"):
            out.append(message(fields["x-"].number, named(name, _any(value))))
    return b"".join(out)


def _by_name(field: _Field, members: Iterable[tuple[str, Any]]) -> Iterator[bytes]:
    for name, value in members:
        yield message(field.number, named(name, _content(field, value)))


def _tagged(field: _Field, value: Any) -> bytes:
    match field.holds:
        case "string":
            return text(field.number, value) if value or field.many else b""
        case "bool" | "int":
            return varint(field.number << 3) + varint(int(value)) if value else b""
        case "double":
            return varint(field.number << 3 | 1) + struct.pack("<d", value) if value else b""
    return message(field.number, _content(field, value))


def _content(field: _Field, value: Any) -> bytes:
    if field.holds == _ANY:
        return _any(value)
    if field.holds == _DEFAULT:
        return _default(value)
    if not field.or_reference:
        return _message(field.holds, value)
    if "$ref" in value and isinstance(value["$ref"], str):
        return message(2, text(1, value["$ref"]))
    return message(1, _message(field.holds, value))


def _default(value: Any) -> bytes:
    """A number, a boolean or a string, also an empty one; what is none of them (`{}`) is there, and says nothing."""
    match value:
        case bool():
            return varint(2 << 3) + varint(int(value))
        case int() | float():
            return varint(1 << 3 | 1) + struct.pack("<d", value)
        case str():
            return text(3, value)
    return b""


def _any(value: Any) -> bytes:
    """JSON is YAML, which is what the value is written in."""
    return text(2, msgspec.json.encode(value).decode())
