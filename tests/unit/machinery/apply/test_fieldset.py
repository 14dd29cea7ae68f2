"""Sets of fields behave as sets of paths do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.machinery.apply import fieldset
from longboat.machinery.apply.fieldset import Path

ELEMENTS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"s"', "v:1", "i:0"])
PATHS = st.sets(st.lists(ELEMENTS, min_size=1, max_size=4).map(tuple), max_size=8)


def made(paths: set[Path]) -> fieldset.FieldSet:
    return fieldset.of_paths(*sorted(paths))


def listed(fields: fieldset.FieldSet) -> set[Path]:
    return set(fieldset.paths(fields))


@given(PATHS, PATHS)
def test_they_are_sets_of_paths(one: set[Path], other: set[Path]) -> None:
    a, b = made(one), made(other)
    before = repr((a, b))
    assert listed(a) == one
    assert listed(fieldset.union(a, b)) == one | other
    assert listed(fieldset.difference(a, b)) == one - other
    assert listed(fieldset.intersection(a, b)) == one & other
    assert fieldset.meets(a, b) == bool(one & other)
    assert not other or fieldset.covers(a, b) == (other <= one)
    beneath = {path for path in one if not any(path[: len(gone)] == gone for gone in other)}
    assert listed(fieldset.without(a, b)) == beneath
    assert all(fieldset.has(a, path) == (path in one) for path in one | other)
    assert repr((a, b)) == before


@given(PATHS)
def test_they_are_fieldsv1_in_upstreams_order(paths: set[Path]) -> None:
    fields = made(paths)
    assert fieldset.is_set(fields)
    assert fieldset.in_order(fields) == fields
    assert fieldset.difference(fields, fields) == fieldset.EMPTY


def test_items_come_by_value() -> None:
    fields = fieldset.of_paths(*(("f:l", f'k:{{"port":{n}}}') for n in (443, 80, 8080)), ("f:l",))
    assert list(fieldset.in_order(fields)["f:l"]) == [".", 'k:{"port":80}', 'k:{"port":443}', 'k:{"port":8080}']


@pytest.mark.parametrize("value", [1, {"x": {}}, {"f:a": 1}, {"k:": {}}, {"k:[]": {}}, {"v:": {}}, {"i:x": {}}])
def test_what_is_no_set(value: Any) -> None:
    assert not fieldset.is_set(value)


def test_a_set_may_not_be_too_deep() -> None:
    value: Any = {}
    for _ in range(fieldset.DEEPEST + 2):
        value = {"f:a": value}
    assert not fieldset.is_set(value)


def test_paths_as_messages_show_them() -> None:
    path = ("f:spec", 'k:{"b":true,"a":"x\\"y"}', "f:with.dot", 'v:"s"', "i:3")
    assert fieldset.shown(path) == '.spec[a="x\\"y",b=true].with.dot[="s"][3]'


def test_what_lies_beneath_patterns() -> None:
    fields = made({("f:a", "f:b", "f:c"), ("f:a", "f:d", "f:c"), ("f:a", "f:b"), ("f:e",)})
    assert listed(fieldset.within(fields, [("f:a", "*", "f:c")])) == {("f:a", "f:b", "f:c"), ("f:a", "f:d", "f:c")}
    assert listed(fieldset.within(fields, [("f:e",), ("f:nope",)])) == {("f:e",)}
