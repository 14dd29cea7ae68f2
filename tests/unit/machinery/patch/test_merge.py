"""JSON merge patch: RFC 7386's own table, and laws."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.machinery.patch.merge import apply

RFC = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "expected"), RFC)
def test_the_table_of_the_rfc(target: Any, patch: Any, expected: Any) -> None:
    assert apply(target, patch) == expected


plain = st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2)
whole = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner), max_leaves=8
)
targets = st.dictionaries(st.sampled_from("abcd"), whole)
patches = st.dictionaries(st.sampled_from("abcd"), whole | st.none())


@given(targets, patches)
def test_twice_is_once(target: Any, patch: Any) -> None:
    before = copy.deepcopy((target, patch))
    once = apply(target, patch)
    assert apply(once, patch) == once
    assert (target, patch) == before


def difference(old: Any, new: Any) -> Any:
    """The merge patch that leads from one object to another."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    gone = {name: None for name in old if name not in new}
    return gone | {name: difference(old.get(name), value) for name, value in new.items() if old.get(name) != value}


@given(targets, targets)
def test_a_difference_leads_from_one_to_the_other(old: Any, new: Any) -> None:
    assert apply(old, difference(old, new)) == new
