"""An index by field says what a scan would say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from longboat.storage.entry import Entry
from longboat.storage.watchcache import FieldIndex

names, values = st.sampled_from("abcde"), st.sampled_from(("", "x", "y", "z"))


def entry(name: str, value: str) -> Entry:
    return Entry(name, 1, b'{"kind":"Pod","apiVersion":"v1","metadata":{}}', {}, {"where": value} if value else {})


@given(st.lists(st.tuples(names, st.none() | values)), st.integers(0, 5))
def test_it_says_what_a_scan_would_say(changes: list[tuple[str, str | None]], before: int) -> None:
    present: dict[str, Entry] = {}

    def take(name: str, value: str | None) -> tuple[Entry | None, Entry | None]:
        old, new = present.pop(name, None), None
        if value is not None:
            new = present[name] = entry(name, value)
        return old, new

    for name, value in changes[:before]:
        take(name, value)
    index = FieldIndex("where", present.values())
    for name, value in changes[before:]:
        index.change(*take(name, value))
    for wanted in ("", "x", "y", "z"):
        scanned = [e for e in present.values() if e.fields.get("where", "") == wanted]
        assert sorted(e.key for e in index.get(wanted)) == sorted(e.key for e in scanned)
