"""Which images go: those that nobody uses, which have been there for a while, the longest unused first."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from longboat.aio.clock import VirtualClock
from longboat.node.cri.interface import Container, Features, Image
from longboat.node.cri.memory import MemoryRuntime
from longboat.node.image_garbage import EVERY, ImageGarbage, candidates, noted
from longboat.node.paths import Paths
from longboat.node.rules import ImagePolicy
from unit.node.build import Told
from unit.node.one_thread import settling

OLD = float("-inf")


def image(name: str, *, digest: bool = True, pinned: bool = False) -> Image:
    digests = (f"{name}@sha256:0",) if digest else ()
    return Image(id=f"sha256:{name}", tags=(f"{name}:1",), digests=digests, pinned=pinned, size=10)


def test_who_may_go_and_in_which_order() -> None:
    listed = [image("new"), image("idle"), image("busy"), image("lately"), image("own", digest=False),
              image("kept", pinned=True)]  # fmt: skip
    seen = noted(listed[1:], {"sha256:lately", "sha256:busy"}, {}, 0)
    seen = noted(listed, {"busy:1"}, seen, 100)
    assert seen["sha256:new"] == (100, OLD) and seen["sha256:lately"] == (0, 0) and seen["sha256:busy"] == (0, 100)
    found = candidates(listed, {"busy:1"}, seen, 150, 120)
    assert [each.tags for each in found] == [("idle:1",), ("lately:1",)]
    assert len(candidates(listed, {"busy:1"}, seen, 220, 120)) == 3, "no longer too new"
    assert noted([], set(), seen, 200) == {}, "what has gone is forgotten"


class Store(MemoryRuntime):
    """With images, one in use by a container and one by every sandbox."""

    stored: list[Image]
    removed: list[str]

    async def images(self) -> list[Image]:
        return [each for each in self.stored if each.id not in self.removed]

    async def remove_image(self, id: str) -> None:
        self.removed.append(id)

    async def features(self) -> Features:
        return Features(sandbox_image="pause:1")

    async def containers(self, uid: str = "") -> list[Container]:
        return [Container(id="c", sandbox="s", uid="u", name="c", attempt=0, state="running", created=0.0,
                          images=("sha256:used",))]  # fmt: skip


@pytest.mark.parametrize(("high", "low", "left", "told"), [(101, 0, 5, 0), (0, -1, 2, 1), (0, 101, 4, 0)])
def test_images_go_when_their_disk_is_full_until_it_is_less_so(
    tmp_path: Path, high: int, low: int, left: int, told: int
) -> None:
    async def main() -> None:
        clock, events = VirtualClock(), Told()
        store = Store(clock)
        store.stored, store.removed = [image(name) for name in ("used", "a", "b", "c", "pause")], []
        policy = ImagePolicy(high=high, low=low)
        garbage = ImageGarbage(store, clock, events, Paths(tmp_path), lambda: tmp_path, policy)
        settle = clock.settle = settling()
        collecting = asyncio.ensure_future(garbage.collect())
        await settle()
        assert len(await store.images()) == left, "what is there at the start is old enough"
        assert len(events.of("FreeDiskSpaceFailed")) == told
        if told:
            disk = os.statvfs(tmp_path)
            assert f"but only found {3 * 10} bytes eligible to free." in events.of("FreeDiskSpaceFailed")[0]
            assert disk.f_blocks
            store.stored.append(image("new"))
            await clock.advance(EVERY)
            assert "sha256:new" not in store.removed
            await clock.advance(EVERY)
            assert "sha256:new" in store.removed
        await garbage.remove_unused()
        assert {each.tags[0] for each in await store.images()} == {"used:1", "pause:1"}
        collecting.cancel()

    asyncio.run(main())
