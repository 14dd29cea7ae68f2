"""The index of labels finds what going through all entries finds, and forgets what is gone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.machinery import selectors
from longboat.storage.entry import Entry
from longboat.storage.labels import LabelIndex

MANY = 1 << 20
LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["1", "2", "30"]))
VALUES = st.sampled_from(["1", "2", "30", "other"])
REQUIREMENTS = st.one_of(
    st.builds("{}={}".format, st.sampled_from("abcd"), VALUES),
    st.builds("{}!={}".format, st.sampled_from("abcd"), VALUES),
    st.builds("{} in ({},{})".format, st.sampled_from("abcd"), VALUES, VALUES),
    st.builds("{} notin ({},{})".format, st.sampled_from("abcd"), VALUES, VALUES),
    st.sampled_from(["a", "b", "d", "!a", "!b", "!d", "a>1", "b<20", "c>40"]),
)
SELECTORS = st.lists(REQUIREMENTS, max_size=3).map(",".join)


def entry(key: str, labels: Mapping[str, str], revision: int = 1) -> Entry:
    return Entry(key, revision, b'{"metadata":{}}', dict(labels), {})


@given(
    st.lists(st.tuples(st.sampled_from("klmnopqrst"), st.none() | LABELS), max_size=40),
    SELECTORS,
    st.sampled_from([MANY, 2]),
)
def test_it_finds_what_a_walk_finds(changes: list[tuple[str, dict[str, str] | None]], text: str, most: int) -> None:
    index, entries = LabelIndex(), dict[str, Entry]()
    for key, labels in changes:
        old, new = entries.pop(key, None), None if labels is None else entry(key, labels)
        index.change(old, new)
        if new is not None:
            entries[key] = new
    selector = selectors.parse(text)
    matching = sorted(key for key, each in entries.items() if selector.matches(each.labels))
    found = index.keys(selector, most)
    if found is not None:
        assert sorted(found) == matching
    else:
        assert selector.empty or most < len(entries)
    for each in entries.values():
        index.change(each, None)
    assert not index.keys(selector, MANY)
    assert not (index._sets or index._values or index._having)


@pytest.mark.parametrize("selector", ["a=2", "a in (2,3)", "b", "a!=1", "a notin (1,2)", "!a", "a=1,a=2", "a=1,!a"])
def test_what_matches_nothing_is_known_without_a_look_at_the_entries(selector: str) -> None:
    index = LabelIndex()
    for number in range(1000):
        index.change(None, entry(f"k{number}", {"a": "1"}))
    assert index.keys(selectors.parse(selector), 0) == []


def test_nothing_selects_nothing() -> None:
    index = LabelIndex()
    index.change(None, entry("k", {}))
    assert index.keys(selectors.NOTHING, MANY) == []


def test_entries_with_the_same_labels_share_them() -> None:
    index = LabelIndex()
    one, two = entry("k", {"a": "1"}), entry("l", {"a": "1"})
    index.change(None, one)
    index.change(None, two)
    assert one.labels is two.labels
    again = entry("k", {"a": "1"}, 2)
    index.change(one, again)
    assert again.labels is two.labels
