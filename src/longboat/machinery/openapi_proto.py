"""The Swagger 2.0 document in protobuf (gnostic's OpenAPIv2.proto), the only form in which kubectl takes it. Pure.

kubectl asks for it to check a List's items. What it reads are the definitions; paths are left to the JSON form.
"""

from __future__ import annotations

import msgspec

from longboat.machinery.objects import Object

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
ACCEPTED = (MEDIA_TYPE, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")

# Field numbers of gnostic's messages.
_SWAGGER, _INFO, _PATHS, _DEFINITIONS = 1, 2, 8, 9
_TITLE, _VERSION = 1, 2
_TEXTS = {"$ref": 1, "format": 2, "description": 4}
_REQUIRED, _ADDITIONAL, _TYPE, _ITEMS, _PROPERTIES, _EXTENSION = 19, 21, 22, 23, 25, 31
_NAME, _VALUE = 1, 2
_YAML = 2


def encode(document: Object) -> bytes:
    """The definitions of a Swagger document as a gnostic Document."""
    info = _text(_TITLE, document["info"]["title"]) + _text(_VERSION, document["info"]["version"])
    definitions = b"".join(_message(1, _named(name, _schema(s))) for name, s in document["definitions"].items())
    return (
        _text(_SWAGGER, document["swagger"])
        + _message(_INFO, info)
        + _message(_PATHS, b"")
        + _message(_DEFINITIONS, definitions)
    )


def _schema(node: Object) -> bytes:
    out = [_text(number, node[name]) for name, number in _TEXTS.items() if name in node]
    out += [_text(_REQUIRED, name) for name in node.get("required", ())]
    additional = node.get("additionalProperties")
    if isinstance(additional, dict):
        out.append(_message(_ADDITIONAL, _message(1, _schema(additional))))
    if "type" in node:
        out.append(_message(_TYPE, _text(1, node["type"])))
    if "items" in node:
        out.append(_message(_ITEMS, _message(1, _schema(node["items"]))))
    if "properties" in node:
        members = (_message(1, _named(name, _schema(member))) for name, member in node["properties"].items())
        out.append(_message(_PROPERTIES, b"".join(members)))
    for name, value in node.items():
        if name.startswith("x-"):
            # JSON is YAML, which is what an extension's value is written in.
            written = _text(_YAML, msgspec.json.encode(value).decode())
            out.append(_message(_EXTENSION, _named(name, written)))
    return b"".join(out)


def _named(name: str, value: bytes) -> bytes:
    return _text(_NAME, name) + _message(_VALUE, value)


def _text(number: int, value: str) -> bytes:
    return _message(number, value.encode())


def _message(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
