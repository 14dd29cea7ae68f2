"""Encodings are made once for those who ask soon after each other, and go when nobody does."""

from __future__ import annotations

import pytest

from longboat.storage import encoded
from longboat.storage.encoded import LASTS, Encoded
from longboat.storage.entry import Entry


def entry(name: str) -> Entry:
    return Entry(name, 1, b'{"metadata":{"name":"%b"}}' % name.encode(), {}, {})


def test_it_is_kept_by_its_use() -> None:
    made: list[str] = []

    def make(found: Entry) -> bytes:
        made.append(found.key)
        return b"x"

    kept, a, b = Encoded(0.0), entry("a"), entry("b")
    kept.of(a, make)
    kept.of(b, make)
    kept.tick(LASTS - 1)
    assert (kept.of(a, make), made) == (b"x", ["a", "b"])
    kept.tick(LASTS)
    kept.of(a, make)
    assert made == ["a", "b"], "the older generation is there still"
    kept.tick(2 * LASTS)
    assert (kept.has(a), kept.has(b)) == (True, False)
    kept.tick(3 * LASTS)
    assert len(kept) == 0
    kept.of(a, make)
    assert made == ["a", "b", "a"]


def test_an_entry_is_known_by_what_it_is_and_not_by_its_key() -> None:
    kept = Encoded(0.0)
    assert kept.of(entry("a"), lambda _: b"1") == b"1"
    assert kept.of(entry("a"), lambda _: b"2") == b"2"


def test_it_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoded, "MOST", 1000)
    kept = Encoded(0.0)
    for number in range(1000):
        kept.of(entry(str(number)), lambda _: b"x" * 100)
        assert len(kept) <= 2 * 11
