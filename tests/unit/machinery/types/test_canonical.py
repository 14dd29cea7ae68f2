"""What is empty is stored as Go writes it, however it came: left out, or written out, by type and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.types import schema
from longboat.machinery.types.schema import JSON, PROTOBUF, YAML
from longboat.machinery.types.shapes import ZERO, List, Map, Scalar, Shape, Struct
from unit.machinery import go
from unit.registry.kinds.test_laws import objects

SCHEMA = schema.load()
# One answer of a server of Kubernetes 1.36.2 for each kind, as recorded (times and addresses aside).
RECORDED = [
    json.loads(line)
    for line in (Path(__file__).parents[3] / "golden" / "recorded_objects.jsonl").read_text().splitlines()
]


def kind_of(obj: Object) -> Kind:
    group, _, version = obj["apiVersion"].rpartition("/")
    return Kind(group, version, obj["kind"], "")


def stored(kind: Kind, data: bytes, media_type: str = JSON) -> bytes:
    return SCHEMA.canonical(kind, SCHEMA.decode(kind, data, media_type)[0])


def bare(shape: Shape, value: Any) -> Any:
    """The value without all that is empty and no pointer."""
    if isinstance(shape, List):
        return [bare(shape.item, each) for each in value]
    if isinstance(shape, Map):
        return {key: bare(shape.value, each) for key, each in value.items()}
    if not isinstance(shape, Struct):
        return value
    found = {name: bare(shape.fields[name], each) for name, each in value.items() if each is not None}
    return {name: each for name, each in found.items() if each or not (name in shape.dropped or name in shape.filled)}


def wordy(shape: Shape, value: Any) -> Any:
    """The value with all that Go leaves out written out."""
    if isinstance(shape, List):
        return [wordy(shape.item, each) for each in value]
    if isinstance(shape, Map):
        return {key: wordy(shape.value, each) for key, each in value.items()}
    if not isinstance(shape, Struct):
        return value
    found: Object = {name: wordy(shape.fields[name], each) for name, each in value.items() if each is not None}
    for name in shape.dropped - found.keys():
        inner = shape.fields[name]
        if isinstance(inner, Scalar):
            found[name] = ZERO.get(inner.name, "")
        else:
            found[name] = [] if isinstance(inner, List) else {}
    return found


@pytest.mark.parametrize("answer", RECORDED, ids=lambda answer: answer["kind"])
def test_what_upstream_answers_is_what_we_store(answer: Object) -> None:
    kind = kind_of(answer)
    shape = SCHEMA.type(kind)
    assert shape is not None
    wanted = json.dumps(answer, sort_keys=True)
    for sent in (answer, bare(shape, answer), wordy(shape, answer)):
        for also in ({}, {"unheard": "of"}):  # what C reads, and what the walk corrects
            assert json.dumps(json.loads(stored(kind, json.dumps(sent | also).encode())), sort_keys=True) == wanted


@settings(max_examples=200)
@given(data=st.data())
def test_one_object_is_stored_alike_however_it_comes(data: st.DataObject) -> None:
    strategy = data.draw(st.sampled_from(go.SENDABLE))
    kind, obj = strategy.kind, data.draw(objects(strategy))
    text = json.dumps(obj).encode()
    found = stored(kind, text)
    assert stored(kind, yaml.safe_dump(obj, allow_unicode=True).encode(), YAML) == found
    assert stored(kind, go.encoded(kind, obj), PROTOBUF) == found
    assert SCHEMA.canonical(kind, obj) == found, "though nobody has read it"
    assert stored(kind, found) == found and SCHEMA.canonical(kind, json.loads(found)) == found
    assert SCHEMA.canonical(kind, obj, large=True) == found, "beside the loop"
    decoded = SCHEMA.decode(kind, text)[0]
    for large in (False, True):
        assert SCHEMA.read(kind, found, large=large) == decoded
        assert SCHEMA.read(kind, text, large=large) == decoded, "an older version wrote it"
