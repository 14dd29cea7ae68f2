"""The Swagger 2.0 document in protobuf (gnostic's OpenAPIv2.proto), the only form in which kubectl takes it. Pure.

kubectl asks for it to check a List's items. What it reads are the definitions; paths are left to the JSON form.
"""

from __future__ import annotations

import msgspec

from longboat.machinery.objects import Object

# Field numbers of gnostic's messages.
_SWAGGER, _INFO, _PATHS, _DEFINITIONS = 1, 2, 8, 9
_TITLE, _VERSION = 1, 2
_TEXTS = {"$ref": 1, "format": 2, "description": 4}
_REQUIRED, _ADDITIONAL, _TYPE, _ITEMS, _PROPERTIES, _EXTENSION = 19, 21, 22, 23, 25, 31
_NAME, _VALUE = 1, 2
_YAML = 2


def encode(document: Object) -> bytes:
    """The definitions of a Swagger document as a gnostic Document."""
    info = text(_TITLE, document["info"]["title"]) + text(_VERSION, document["info"]["version"])
    definitions = b"".join(message(1, named(name, _schema(s))) for name, s in document["definitions"].items())
    return (
        text(_SWAGGER, document["swagger"])
        + message(_INFO, info)
        + message(_PATHS, b"")
        + message(_DEFINITIONS, definitions)
    )


def _schema(node: Object) -> bytes:
    out = [text(number, node[name]) for name, number in _TEXTS.items() if name in node]
    out += [text(_REQUIRED, name) for name in node.get("required", ())]
    additional = node.get("additionalProperties")
    if isinstance(additional, dict):
        out.append(message(_ADDITIONAL, message(1, _schema(additional))))
    if "type" in node:
        out.append(message(_TYPE, text(1, node["type"])))
    if "items" in node:
        out.append(message(_ITEMS, message(1, _schema(node["items"]))))
    if "properties" in node:
        members = (message(1, named(name, _schema(member))) for name, member in node["properties"].items())
        out.append(message(_PROPERTIES, b"".join(members)))
    for name, value in node.items():
        if name.startswith("x-"):
            # JSON is YAML, which is what an extension's value is written in.
            written = text(_YAML, msgspec.json.encode(value).decode())
            out.append(message(_EXTENSION, named(name, written)))
    return b"".join(out)


def named(name: str, value: bytes) -> bytes:
    """One of a map's pairs."""
    return text(_NAME, name) + message(_VALUE, value)


def text(number: int, value: str) -> bytes:
    """A field of this number."""
    return message(number, value.encode())


def message(number: int, content: bytes) -> bytes:
    """A field of this number; bytes and text are written alike."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
