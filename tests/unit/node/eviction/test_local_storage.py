"""How much pods have written is found out, in small steps; those over a limit lose their place, nobody else does."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from longboat.aio.clock import SystemClock, VirtualClock
from longboat.node.cri.memory import MemoryRuntime
from longboat.node.eviction import walk
from longboat.node.eviction.local_storage import LocalStorage
from longboat.node.eviction.measure import Measure
from longboat.node.eviction.usage import Disk
from longboat.node.eviction.walk import MOST, Walk, Walks, step
from longboat.node.paths import Paths
from longboat.node.rules import EVERY
from longboat.node.volumes import tree
from unit.node.build import Pod, container, pod
from unit.node.one_thread import settling

MIB = 1 << 20


def used(folder: Path) -> Disk:
    looking = Walk(folder)
    while not looking.step():
        continue
    return looking.found


def test_blocks_count_not_lengths_nor_names(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(100 * MIB)
    before = used(tmp_path)
    assert before.bytes < MIB and before.inodes == 2
    (tmp_path / "full").write_bytes(b"x" * MIB)
    once = used(tmp_path)
    for name in ("again", "and-again"):
        (tmp_path / name).hardlink_to(tmp_path / "full")
    assert once.bytes - before.bytes >= MIB and used(tmp_path).bytes - once.bytes < MIB // 2
    assert used(tmp_path).inodes == once.inodes == 3
    assert used(tmp_path / "absent") == Disk()


def test_a_walk_ends_when_it_knows_enough_and_never_takes_large_steps(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / str(number)).write_bytes(b"x" * 4096)
    looking = Walk(tmp_path, enough=10 * 4096)
    assert not looking.step(5) and looking.found.inodes == 6
    assert looking.step(90) and looking.found.inodes < 15
    exact = Walk(tmp_path)
    assert not exact.step(100) and exact.step(100) and exact.found.inodes == 101


def test_directories_beyond_a_number_are_counted_and_not_entered(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / str(number) / "below").mkdir(parents=True)
    assert len(list(tree.entries(tmp_path))) == 20
    assert len(list(tree.entries(tmp_path, 10))) == 20
    assert len(list(tree.entries(tmp_path, 4))) == 14
    assert MOST * 255 < 32 * MIB, "bytes of the longest names"


def test_a_large_directory_delays_no_small_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "STEP", 100)

    async def main() -> None:
        large, small = tmp_path / "large", tmp_path / "small"
        for folder, files in ((large, 350), (small, 1)):
            folder.mkdir()
            where = os.open(folder, os.O_RDONLY)
            for number in range(files):
                os.close(os.open(str(number), os.O_CREAT, dir_fd=where))
            os.close(where)
        walks, ended = Walks(SystemClock()), list[str]()

        async def measure(folder: Path) -> None:
            await walks.measure([(folder, 1e9)])
            ended.append(folder.name)

        await asyncio.gather(measure(large), measure(small))
        assert ended == ["small", "large"]
        partly, nothing = await walks.measure([(large, 1e9), (small, 1e9)], patience=0)
        assert 0 < partly.inodes < 350 and nothing == Disk()
        waiting = deque((Walk(large), Walk(small)))
        for _ in range(2):
            step(waiting)
        assert [each.found.inodes > 2 for each in waiting] == [True], "the small one is done"
        file, one, none = await walks.measure([(small / "0", 1e9), (small, 1e9), (tmp_path / "none", 1e9)])
        assert (file.inodes, one.inodes, none.inodes) == (1, 2, 0)

    asyncio.run(main())


Play = Callable[[LocalStorage, VirtualClock, list[tuple[str, str]]], Awaitable[None]]


def play(folder: Path, listed: list[Pod], scene: Play) -> None:
    async def main() -> None:
        clock, told = VirtualClock(), list[tuple[str, str]]()
        measure = Measure(MemoryRuntime(clock), Paths(folder, folder / "logs"), Walks(clock))
        storage = LocalStorage(clock, lambda: listed, measure, lambda uid, found: told.append((uid, found.message)))
        clock.settle = settling()
        watch = asyncio.ensure_future(storage.watch())
        await scene(storage, clock, told)
        watch.cancel()

    asyncio.run(main())


def with_volume(**more: Any) -> Pod:
    return pod(volumes=[{"name": "scratch", "emptyDir": {"sizeLimit": "1Mi"}}], **more)


def write(folder: Path, place: str, size: int) -> None:
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).write_bytes(b"x" * size)


def test_pods_are_looked_at_every_so_often(tmp_path: Path) -> None:
    vital = with_volume(priority=2_000_000_000)
    owner, unlimited = with_volume(), pod(volumes=[{"name": "scratch", "emptyDir": {}}])
    listed = [owner, vital, unlimited]
    for each in listed:
        write(tmp_path, f"pods/{each.uid}/volumes/kubernetes.io~empty-dir/scratch/a", 2 * MIB)

    async def scene(storage: LocalStorage, clock: VirtualClock, told: list[tuple[str, str]]) -> None:
        await clock.advance(EVERY - 1)
        assert told == []
        await clock.advance(2)
        assert told == [(owner.uid, 'Usage of EmptyDir volume "scratch" exceeds the limit "1Mi". ')]

    play(tmp_path, listed, scene)


@pytest.mark.parametrize(
    "place",
    [
        "logs/default_p_{uid}/c/0.log", "logs/default_p_{uid}/c/0.log.20260101-000000", "pods/{uid}/etc-hosts",
        "pods/{uid}/containers/c/termination", "pods/{uid}/volumes/kubernetes.io~empty-dir/scratch/a",
        "pods/{uid}/volumes/kubernetes.io~configmap/settings/a",
    ],
)  # fmt: skip
def test_wherever_a_pod_can_write_it_counts(tmp_path: Path, place: str) -> None:
    limited = container("c", "x", resources={"limits": {"ephemeral-storage": "1Mi"}})
    volumes = [{"name": "scratch", "emptyDir": {}}, {"name": "settings", "configMap": {"name": "s"}},
               {"name": "shm", "emptyDir": {"medium": "Memory"}}]  # fmt: skip
    owner = pod("p", limited, container("d", "x"), volumes=volumes)
    write(tmp_path, place.format(uid=owner.uid), MIB // 2)
    write(tmp_path, f"pods/{owner.uid}/volumes/kubernetes.io~empty-dir/shm/a", 2 * MIB)

    async def scene(storage: LocalStorage, clock: VirtualClock, told: list[tuple[str, str]]) -> None:
        await clock.advance(EVERY + 1)
        assert told == []
        write(tmp_path, place.format(uid=owner.uid), MIB + 4096)
        await clock.advance(EVERY + 1)
        assert [why for _, why in told] == [
            "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. "
        ]

    play(tmp_path, [owner], scene)
