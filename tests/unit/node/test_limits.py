"""emptyDir volumes that outgrow their limit cost the pod its place; nothing else does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from longboat.aio.clock import VirtualClock
from longboat.node.paths import Paths
from longboat.node.volumes.limits import EMPTY_DIR, EVERY, Limits, outgrown, used
from unit.node.build import Pod, pod

MIB = 1 << 20


def with_volume(limit: str = "1Mi", **source: Any) -> Pod:
    return pod(volumes=[{"name": "scratch", "emptyDir": {"sizeLimit": limit, **source}}])


def fill(paths: Paths, owner: Pod, name: str, size: int) -> Path:
    folder = paths.volumes(owner.uid) / EMPTY_DIR / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"x" * size)
    return folder


def test_only_what_is_over_its_limit_is_told(tmp_path: Path) -> None:
    paths, owner = Paths(tmp_path), with_volume()
    assert outgrown(owner, paths) == "", "nothing is there yet"
    fill(paths, owner, "a", MIB // 2)
    assert outgrown(owner, paths) == ""
    fill(paths, owner, "b", MIB)
    assert outgrown(owner, paths) == 'Usage of EmptyDir volume "scratch" exceeds the limit "1Mi". '
    assert outgrown(with_volume(medium="Memory"), paths) == "", "a file system of that size limits itself"
    assert outgrown(pod(volumes=[{"name": "scratch", "emptyDir": {}}]), paths) == ""


def test_blocks_count_not_lengths_nor_names(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(100 * MIB)
    before = used(tmp_path)
    assert before < MIB
    (tmp_path / "full").write_bytes(b"x" * MIB)
    once = used(tmp_path)
    (tmp_path / "again").hardlink_to(tmp_path / "full")
    assert once - before >= MIB and used(tmp_path) - once < MIB // 2


@pytest.mark.parametrize("ended", [False, True])
def test_pods_are_looked_at_every_so_often(tmp_path: Path, ended: bool) -> None:
    async def main() -> None:
        clock, paths, told = VirtualClock(), Paths(tmp_path), list[tuple[str, str]]()
        owner = with_volume()
        fill(paths, owner, "a", 2 * MIB)
        listed = [] if ended else [owner]
        watch = asyncio.ensure_future(Limits(clock, paths, lambda: listed, lambda *say: told.append(say)).watch())

        async def settle() -> None:
            for _ in range(50):
                await asyncio.sleep(0.001)

        clock.settle = settle
        await clock.advance(EVERY - 1)
        assert told == []
        await clock.advance(2)
        assert [uid for uid, _ in told] == ([] if ended else [owner.uid])
        watch.cancel()

    asyncio.run(main())
