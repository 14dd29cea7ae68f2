"""Nodes that share a machine do not all evict for the same shortage."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from longboat.aio.clock import VirtualClock
from longboat.node.eviction.neighbours import LASTS, SUFFIX, Neighbours
from longboat.node.eviction.ranking import Rank

NOTICE = 10.0
SMALL: Rank = (1, 0, 0, -5)
LARGE: Rank = (1, 0, 0, -500)
DISK = "disk 8:1"


def play(folder: Path, scene: Callable[[VirtualClock, Neighbours, Neighbours], object]) -> None:
    async def main() -> None:
        clock = VirtualClock()
        both = [Neighbours(folder / "notes", name, clock, NOTICE) for name in ("a", "b")]
        for each in both:
            each.prepare()
        await scene(clock, *both)  # type: ignore[misc]

    asyncio.run(main())


def test_who_has_the_larger_pod_evicts_and_the_other_looks_again(tmp_path: Path) -> None:
    async def scene(clock: VirtualClock, a: Neighbours, b: Neighbours) -> None:
        assert not a.may_evict(DISK, "storage", SMALL), "the other may not have looked yet"
        assert not b.may_evict(DISK, "storage", LARGE)
        await clock.advance(NOTICE)
        assert not a.may_evict(DISK, "storage", SMALL) and b.may_evict(DISK, "storage", LARGE)
        b.hold()
        await clock.advance(5)
        assert not a.may_evict(DISK, "storage", SMALL), "what that one had is still being removed"
        b.withdraw()
        assert a.may_evict(DISK, "storage", SMALL), "it was not enough"

    play(tmp_path, scene)


def test_what_only_one_node_has_is_nobody_elses_business(tmp_path: Path) -> None:
    async def scene(clock: VirtualClock, a: Neighbours, b: Neighbours) -> None:
        assert a.may_evict("", "memory", SMALL)
        b.may_evict("disk 8:2", "storage", LARGE)
        a.may_evict(DISK, "storage", SMALL)
        await clock.advance(NOTICE)
        assert a.may_evict(DISK, "storage", SMALL), "another disk"
        alone = Neighbours(None, "c", clock, NOTICE)
        alone.prepare()
        assert alone.may_evict(DISK, "storage", SMALL)
        alone.hold()
        alone.withdraw()

    play(tmp_path, scene)


def test_a_node_that_has_died_holds_nobody_up(tmp_path: Path) -> None:
    async def scene(clock: VirtualClock, a: Neighbours, b: Neighbours) -> None:
        b.may_evict(DISK, "storage", LARGE)
        for _ in range(int(LASTS // 10)):
            assert not a.may_evict(DISK, "storage", SMALL)
            await clock.advance(10)
        await clock.advance(1)
        assert a.may_evict(DISK, "storage", SMALL)

    play(tmp_path, scene)


def test_odd_notes_hold_nobody_up(tmp_path: Path) -> None:
    async def scene(clock: VirtualClock, a: Neighbours, b: Neighbours) -> None:
        (tmp_path / "notes" / f"odd{SUFFIX}").write_bytes(b"\xff" * 100_000)
        (tmp_path / "notes" / f"later{SUFFIX}").write_text(
            '{"node":"later","source":"disk 8:1","resource":"storage","rank":[0,0,0,0],"since":0,"until":1e9}'
        )  # of a machine that has been up for longer: before it was started anew
        a.may_evict(DISK, "storage", SMALL)
        await clock.advance(NOTICE)
        assert a.may_evict(DISK, "storage", SMALL)

    play(tmp_path, scene)


def test_a_note_needs_no_room_that_is_not_there(tmp_path: Path) -> None:
    async def scene(clock: VirtualClock, a: Neighbours, b: Neighbours) -> None:
        note = tmp_path / "notes" / f"a{SUFFIX}"
        before = note.stat()
        a.may_evict(DISK, "storage", SMALL)
        assert (note.stat().st_ino, note.stat().st_blocks, note.stat().st_size) == (
            before.st_ino, before.st_blocks, before.st_size,
        )  # fmt: skip

    play(tmp_path, scene)


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 4), min_size=1, max_size=5))
def test_law_of_neighbours(ranks: list[Rank]) -> None:
    """However many there are and whatever they have: once all have told of it, exactly one may evict, and none has a
    pod that should go before its own."""
    import tempfile

    async def main(folder: Path) -> None:
        clock = VirtualClock()
        nodes = [Neighbours(folder, f"n{i}", clock, NOTICE) for i in range(len(ranks))]
        for node, rank in zip(nodes, ranks, strict=True):
            node.prepare()
            assert not node.may_evict(DISK, "storage", rank)
        await clock.advance(NOTICE)
        may = [node.may_evict(DISK, "storage", rank) for node, rank in zip(nodes, ranks, strict=True)]
        assert may.count(True) == 1 and ranks[may.index(True)] == min(ranks)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder)))
