"""The ring of changes forgets its oldest first, and says so."""

from __future__ import annotations

import pytest

from longboat.storage.entry import Change, Entry
from longboat.storage.interface import Compacted
from longboat.storage.watcher import Ring


def change(revision: int, size: int = 0) -> Change:
    body = b'{"metadata":{},"x":"%b"}' % (b"x" * size)
    return Change(revision, None, Entry(f"/registry/pods/ns{revision % 2}/p", revision, body, {}, {}))


def revisions(changes: list[Change]) -> list[int]:
    return [one.revision for one in changes]


def test_all_after_its_floor_can_be_asked_for() -> None:
    ring = Ring(10)
    ring.extend([change(12), change(13), change(17)])
    assert revisions(ring.since(10, "/registry/")) == [12, 13, 17]
    assert revisions(ring.since(13, "/registry/")) == [17]
    assert revisions(ring.since(99, "/registry/")) == []
    assert revisions(ring.since(10, "/registry/pods/ns1/")) == [13, 17]
    with pytest.raises(Compacted) as compacted:
        ring.since(9, "/registry/")
    assert compacted.value.oldest == 10


@pytest.mark.parametrize(("limits", "size"), [({"limit": 100}, 0), ({"limit_bytes": 100_000}, 1000)])
def test_it_is_bounded_by_count_and_by_bytes(limits: dict[str, int], size: int) -> None:
    ring = Ring(0, **limits)
    for revision in range(1, 1001):
        ring.extend([change(revision, size)])
        kept = revisions(ring.since(ring.floor, "/registry/"))
        assert len(kept) <= 100
        assert kept == list(range(ring.floor + 1, revision + 1))
    assert len(kept) >= 70
