"""The ordered map of entries against a plain dict."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.storage import snapshot
from longboat.storage.entry import Entry
from longboat.storage.keys import end_of
from longboat.storage.snapshot import Ordered, Snapshot

KEYS = st.text("ab/é𐍈", min_size=1, max_size=4)
EDITS = st.lists(st.lists(st.tuples(KEYS, st.booleans()), max_size=12), max_size=12)


@pytest.fixture(autouse=True, scope="module")
def small_chunks() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot, "CHUNK", 2)
        yield


def entry(key: str) -> Entry:
    return Entry(key, 1, b'{"metadata":{}}', {}, {})


@given(edits=EDITS, prefix=st.sampled_from(["a", "a/", "/", "b/a"]), after=KEYS | st.just(""), limit=st.integers(0, 3))
def test_it_holds_what_a_dict_holds_in_order(
    edits: list[list[tuple[str, bool]]], prefix: str, after: str, limit: int
) -> None:
    ordered, plain = Ordered([]), dict[str, Entry]()
    generations = [(ordered, dict(plain))]
    for batch in edits:
        changes = [(key, entry(key) if present else None) for key, present in batch]
        ordered = ordered.succeed(changes)
        for key, new in changes:
            plain.pop(key, None)
            if new:
                plain[key] = new
        generations.append((ordered, dict(plain)))
    for ordered, held in generations:
        everything = [item for chunk in ordered.chunks for item in chunk]
        assert everything == [held[key] for key in sorted(held)]
        assert ordered.firsts == [chunk[0].key for chunk in ordered.chunks]
        assert all(len(chunk) <= 4 for chunk in ordered.chunks)
        assert [item for chunk in Ordered.of(held.values()).chunks for item in chunk] == everything
        found = [item for item in everything if item.key.startswith(prefix) and item.key > after]
        shot = Snapshot(1, ordered)
        assert shot.entries(prefix, after) == found
        assert shot.entries(prefix, after, limit) == (found[:limit] if limit else found)
        assert shot.count(prefix, after) == len(found)


@given(KEYS, KEYS)
def test_the_end_of_a_prefix_bounds_exactly_what_begins_with_it(prefix: str, key: str) -> None:
    assert (prefix <= key < end_of(prefix)) == key.startswith(prefix)
