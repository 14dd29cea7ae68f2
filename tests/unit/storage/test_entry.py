"""Splicing the resourceVersion into stored JSON, whoever wrote it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.storage.entry import Entry, splice

NAMES = st.sampled_from(["metadata", "kind", "resourceVersion", "name", "x", 'quo"te', "}{"])
HEAD = b'{"kind":"A","apiVersion":"v1","metadata":'
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(
    metadata=st.dictionaries(NAMES, JSON, max_size=4),
    rest=st.dictionaries(NAMES.filter(lambda name: name != "metadata"), JSON, max_size=4),
    first=st.booleans(),
    indent=st.booleans(),
)
def test_any_object_gets_its_revision_and_loses_nothing(
    metadata: dict[str, Any], rest: dict[str, Any], first: bool, indent: bool
) -> None:
    obj = {"metadata": metadata} | rest if first else rest | {"metadata": metadata}
    plain = msgspec.json.encode(obj)
    body, start, end = splice(msgspec.json.format(plain) if indent else plain, 42)
    expected = obj | {"metadata": metadata | {"resourceVersion": "42"}}
    assert msgspec.json.decode(body) == expected
    assert msgspec.json.decode(body[start:end]) == expected["metadata"]


@pytest.mark.parametrize(
    ("plain", "body"),
    [
        (HEAD + b'{},"x":1}', HEAD + b'{"resourceVersion":"7"},"x":1}'),
        (HEAD + b'{"name":"n"}}', HEAD + b'{"resourceVersion":"7","name":"n"}}'),
        (b'{"x":{"metadata":{}},"metadata":{}}', b'{"metadata":{"resourceVersion":"7"},"x":{"metadata":{}}}'),
        (b'{"metadata":{"resourceVersion":"3","name":"n"}}', b'{"metadata":{"resourceVersion":"7","name":"n"}}'),
        (b'{"kind":"\\"","metadata":{}}', b'{"metadata":{"resourceVersion":"7"},"kind":"\\""}'),
        (b'{"metadata":{"name":"n","resourceVersion":"3"}}', b'{"metadata":{"resourceVersion":"7","name":"n"}}'),
    ],
)
def test_canonical_bytes_stay_as_they_are(plain: bytes, body: bytes) -> None:
    assert splice(plain, 7)[0] == body


@pytest.mark.parametrize(
    "plain", [HEAD + b'{"resourceVersion":"3"}}', b'{"x":1,"metadata":{"resourceVersion":"3"},"kind":"A"}']
)
def test_what_is_not_stored_keeps_its_version(plain: bytes) -> None:
    body, start, end = splice(plain, 0)
    assert msgspec.json.decode(body) == msgspec.json.decode(plain)
    assert body[start:end] == b'{"resourceVersion":"3"}'


@pytest.mark.parametrize("odd", [b"", b"{", b"[]", b"{}", b'{"metadata":[]}', b'{"metadata":null}', b"\xff"])
def test_what_is_no_object_is_refused(odd: bytes) -> None:
    with pytest.raises(ValueError):
        splice(odd, 1)


def test_an_entry_can_show_another_revision() -> None:
    entry = Entry("/registry/x/y", 5, b'{"metadata":{"name":"y"}}', {}, {})
    entry.encodings["v1", "yaml"] = b"..."
    moved = entry.at(1000)
    assert moved.body == b'{"metadata":{"resourceVersion":"1000","name":"y"}}'
    assert moved.metadata == b'{"resourceVersion":"1000","name":"y"}'
    assert moved.encodings == {}
    assert entry.body == b'{"metadata":{"resourceVersion":"5","name":"y"}}'
