"""The size of an object's protobuf encoding is that of the bytes a client sends of it."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.api import kinds
from longboat.machinery import protobuf, schema
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.protobuf_size import MOST_PER_JSON, size
from longboat.machinery.schema import PROTOBUF

SCHEMA = schema.load()


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def field(number: int, value: bytes | int | float) -> bytes:
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def message(*parts: tuple[int, bytes | int | float]) -> bytes:
    return b"".join(field(number, value) for number, value in parts)


def body(kind: Kind, raw: bytes) -> bytes:
    head = message((1, kind.api_version.encode()), (2, kind.name.encode()))
    return b"k8s\x00" + message((1, head), (2, raw), (3, b""), (4, b""))


QUANTITY = message((1, b"500m"))
REQUESTS = message((2, message((1, b"cpu"), (2, QUANTITY))))
PORT = message((2, 8080), (3, 80), (4, b"TCP"))
PROBE = message((1, message((2, message((1, b"/"), (2, message((1, 0), (2, 80), (3, b""))))))), (2, 5))
CONTAINER = message((1, b"a"), (2, "bücher".encode()), (3, b"x" * 300), (6, PORT), (8, REQUESTS), (10, PROBE))
SECURITY = message((4, 1000), (4, -1))
TIME = message((1, 1767225600), (2, 0))
FIELDS = message((1, b"m"), (2, b"Update"), (4, TIME), (7, message((1, b'{"f:spec":{}}'))))


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (kinds.CONFIG_MAP, message((1, message((1, b"a"))), (2, message((1, b"k"), (2, b'"' * 200))))),
        (kinds.SECRET, message((1, message((1, b"a"))), (2, message((1, b"k"), (2, bytes(201)))), (3, b"Opaque"))),
        (kinds.POD, message((1, message((1, b"a"), (17, FIELDS))), (2, message((2, CONTAINER), (14, SECURITY))))),
        (
            kinds.INGRESS,
            message((2, message((3, message((1, b"h"), (2, message((1, message((1, message((1, b"/")))))))))))),
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Kind) else "",
)
def test_what_is_sent_is_what_is_counted(kind: Kind, raw: bytes) -> None:
    sent = body(kind, raw)
    obj, _ = SCHEMA.decode(kind, sent, PROTOBUF)
    shape = SCHEMA.type(kind)
    assert shape is not None
    assert size(shape, obj) == len(sent)


def test_a_kind_without_a_table_is_not_guessed() -> None:
    from longboat.machinery.shapes import Struct

    with pytest.raises(protobuf.Unknown):
        size(Struct("example.com.v1.Widget"), {})


numbers = st.integers(-(1 << 31), (1 << 31) - 1)
words = st.text(max_size=8)
containers = st.fixed_dictionaries(
    {"name": words},
    optional={
        "args": st.lists(words, max_size=4),
        "ports": st.lists(st.fixed_dictionaries({"containerPort": numbers}), max_size=3),
        "resources": st.fixed_dictionaries(
            {"limits": st.dictionaries(words, st.sampled_from(["1", "2Gi"]), max_size=3)}
        ),
    },
)
pods = st.fixed_dictionaries(
    {"metadata": st.fixed_dictionaries({"name": words, "labels": st.dictionaries(words, words, max_size=3)})},
    optional={
        "spec": st.fixed_dictionaries(
            {"containers": st.lists(containers, max_size=3)},
            optional={"securityContext": st.fixed_dictionaries({"supplementalGroups": st.lists(numbers, max_size=9)})},
        )
    },
)


@given(pods)
def test_no_encoding_is_more_than_four_times_its_json(obj: Object) -> None:
    whole: dict[str, Any] = {"kind": "Pod", "apiVersion": "v1", **obj}
    shape = SCHEMA.type(kinds.POD)
    assert shape is not None
    assert size(shape, whole) <= MOST_PER_JSON * len(json.dumps(whole, separators=(",", ":"), ensure_ascii=False))
