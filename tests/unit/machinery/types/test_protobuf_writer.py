"""What is written as protobuf is what Go writes, and is read back as the object that it was."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longboat.api import kinds
from longboat.machinery import messages
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.types import protobuf, schema
from longboat.machinery.types.protobuf_size import size
from longboat.machinery.types.protobuf_writer import encode, framed
from longboat.machinery.types.schema import PROTOBUF
from longboat.machinery.types.shapes import Struct
from unit.machinery import go
from unit.machinery.go import message
from unit.machinery.types import upstream_protos
from unit.registry.kinds.checks import STRATEGIES
from unit.registry.kinds.test_laws import objects

SCHEMA = schema.load()


def written(kind: Kind, obj: Object) -> bytes:
    shape = SCHEMA.type(kind)
    assert shape is not None
    return encode(shape, obj)


@settings(max_examples=150)
@given(data=st.data())
def test_any_object_is_written_as_go_writes_it_and_read_back(data: st.DataObject) -> None:
    strategy = data.draw(st.sampled_from(go.SENDABLE))
    kind = strategy.kind
    stored = SCHEMA.canonical(kind, data.draw(objects(strategy)))
    obj = msgspec.json.decode(stored)
    found = written(kind, obj)
    assert found == go.encoded(kind, obj)
    shape = SCHEMA.type(kind)
    assert shape is not None and len(found) == size(shape, SCHEMA.read(kind, stored))
    read, warnings = SCHEMA.decode(kind, found, PROTOBUF, "Strict")
    assert SCHEMA.canonical(kind, read) == stored and warnings == []


def test_every_kind_is_written_with_what_is_in_no_object() -> None:
    for strategy in STRATEGIES:
        if strategy.stored:
            kind = strategy.kind
            for definition in (kind, Kind(kind.group, kind.version, kind.list_kind, "")):
                shape = SCHEMA.type(definition)
                assert shape is not None and encode(shape, {}), definition


PROPS: Object = {
    "type": "object",
    "properties": {
        "a": {"items": {"type": "string"}, "type": "array", "maxItems": 0, "maximum": 1.5},
        "b": {"additionalProperties": {"type": "integer"}, "default": {"q": [1, None]}},
        "c": {"additionalProperties": True, "x-kubernetes-preserve-unknown-fields": True},
        "d": {"additionalProperties": False, "enum": ["x", 1, None]},
        "e": {"items": [{"type": "string"}, {"not": {"$ref": "#/x"}}], "allOf": [{"minLength": 1}]},
        "f": {"dependencies": {"a": ["x", "y"], "b": {"type": "string"}}},
    },
}


def definition(props: Object) -> Object:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": props}}
    return {
        "kind": "CustomResourceDefinition",
        "apiVersion": "apiextensions.k8s.io/v1",
        "metadata": {"name": "things.example.com"},
        "spec": {"group": "example.com", "names": {"plural": "things", "kind": "Thing"}, "versions": [version]},
    }


def test_schemas_and_what_may_stand_in_their_place() -> None:
    kind = kinds.CUSTOM_RESOURCE_DEFINITION
    stored = SCHEMA.canonical(kind, definition(PROPS))
    read, _ = SCHEMA.decode(kind, written(kind, msgspec.json.decode(stored)), PROTOBUF, "Strict")
    assert SCHEMA.canonical(kind, read) == stored


def test_what_no_go_client_could_have_written_hides_nothing() -> None:
    for odd in ("x", 1, ["x"], None):
        props: Object = {"properties": {"a": {"items": odd, "dependencies": {"b": odd}}}}
        assert written(kinds.CUSTOM_RESOURCE_DEFINITION, definition(props))


def test_raw_parts_are_spelled_as_go_spells_them() -> None:
    """Clients in Go compare the bytes of a revision's data with those that they make themselves."""
    revision: Object = {"kind": "ControllerRevision", "apiVersion": "apps/v1", "data": {"a": "<&>\u2028"}}
    assert message((2, message((1, b'{"a":"\\u003c\\u0026\\u003e\\u2028"}')))) in written(
        kinds.CONTROLLER_REVISION, revision
    )


def test_numbers_and_times() -> None:
    """Of a Time only the seconds; negative numbers in ten bytes; all of an IntOrString."""
    pod: Object = {
        "metadata": {"creationTimestamp": "1969-12-31T23:59:59Z"},
        "spec": {"priority": -1, "containers": [{"name": "c", "livenessProbe": {"httpGet": {"port": "é"}}}]},
    }
    found = written(kinds.POD, pod)
    assert message((8, message((1, -1), (2, 0)))) in found and message((25, -1)) in found
    assert message((2, message((1, 1), (2, 0), (3, "é".encode())))) in found
    lease: Object = {"spec": {"renewTime": "2030-01-02T03:04:05.678901Z"}}
    assert message((4, message((1, 1893553445), (2, 678901000)))) in written(kinds.LEASE, lease)


@pytest.mark.parametrize("length", [0, 1, 127, 128, 16383, 16384, 1 << 21])
def test_lengths(length: int) -> None:
    assert framed(b"\x12", b"x" * length) == message((2, b"x" * length))


def test_a_type_without_a_table_is_not_guessed() -> None:
    with pytest.raises(protobuf.Unknown):
        encode(Struct("example.com.v1.Widget"), {})


def test_upstreams_own_descriptors_name_the_same_fields() -> None:
    compared = 0
    for name in messages.names():
        try:
            theirs = upstream_protos.pool().FindMessageTypeByName(upstream_protos.name_of(name)).fields_by_number
        except KeyError:
            continue
        for number, field in (messages.numbered(name) or {}).items():
            if not field.inlined and number in theirs:
                compared += 1
                assert theirs[number].name.lower() == field.name.lower(), (name, number)
    assert compared > 800


@settings(max_examples=50)
@given(data=st.data())
def test_google_reads_the_same_bytes_by_upstreams_descriptors(data: st.DataObject) -> None:
    """And writes them again as they were, but for fields that are younger than the descriptors."""
    core = [s for s in go.SENDABLE if not s.kind.group and s.kind != kinds.CORE_EVENT]
    strategy = data.draw(st.sampled_from(core))
    shape = SCHEMA.type(strategy.kind)
    assert shape is not None
    obj = msgspec.json.decode(SCHEMA.canonical(strategy.kind, data.draw(objects(strategy))))
    _, _, sent = protobuf.envelope(encode(shape, obj))
    made: Any = upstream_protos.message_class(shape.name).FromString(sent)  # type: ignore[attr-defined]
    assert made.metadata.name == "x" and made.metadata.uid == "u"
    assert len(made.SerializeToString()) == len(sent)
    read = protobuf.decode(shape, made.SerializeToString(deterministic=True))
    assert read == protobuf.decode(shape, sent)
