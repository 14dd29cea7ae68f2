"""The size of an object's protobuf encoding is that of the bytes a client sends of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longboat.api import kinds
from longboat.machinery.objects import Object
from longboat.machinery.types import check, protobuf, schema
from longboat.machinery.types.protobuf_size import MOST_PER_JSON, size
from longboat.machinery.types.schema import PROTOBUF
from longboat.machinery.types.shapes import Struct
from unit.machinery import go
from unit.machinery.types.test_protobuf import structs
from unit.registry.kinds.checks import STRATEGIES
from unit.registry.kinds.test_laws import objects

SCHEMA = schema.load()
EMPTY = 16  # bytes of an envelope with nothing in it


@settings(max_examples=100)
@given(data=st.data())
def test_what_is_sent_is_what_is_counted(data: st.DataObject) -> None:
    strategy = data.draw(st.sampled_from(go.SENDABLE))
    sent = go.encoded(strategy.kind, data.draw(objects(strategy)))
    shape = SCHEMA.type(strategy.kind)
    assert shape is not None
    assert size(shape, SCHEMA.decode(strategy.kind, sent, PROTOBUF)[0]) == len(sent)


def test_a_kind_without_a_table_is_not_guessed() -> None:
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
def test_no_encoding_is_much_longer_than_its_json(obj: Object) -> None:
    shape = SCHEMA.type(kinds.POD)
    assert shape is not None
    assert size(shape, obj) <= MOST_PER_JSON * len(SCHEMA.canonical(kinds.POD, obj))


def test_what_is_empty_is_bounded_both_ways() -> None:
    """An item of nothing is `{},` here and sixteen bytes there; or two there, and here all that is written of it."""
    seen: set[str] = set()
    for strategy in STRATEGIES:
        for struct in structs(SCHEMA.type(strategy.kind), seen):
            empty = check.struct(struct, {})
            written = len(json.dumps(check.stored(struct, empty), separators=(",", ":"))) + 1
            item = size(struct, empty) - EMPTY + 2
            assert item <= MOST_PER_JSON * written and written <= 20 * item, struct.name
