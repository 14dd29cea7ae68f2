"""The store process dies at any moment: nothing acknowledged is lost, nothing unacknowledged half-appears."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from longboat.aio.clock import SystemClock
from longboat.storage.interface import Event, Progress, StorageError
from longboat.storage.sqlite.client import SqliteStorage, connect
from longboat.storage.sqlite.process import StoreProcess, spawn
from suites.backends import events

CLOCK = SystemClock()
ROOT = "/registry/configmaps/"
LAST = ROOT + "last"
KILLS = 12


class Writer:
    """Creates, updates and deletes its own keys, one after the other, and remembers what it was promised.

    `known`: what is certainly there (revision and value, or None once deleted). `doubtful`: the one write whose outcome
    it was not told, as what it would leave behind.
    """

    def __init__(self, name: int, rng: random.Random) -> None:
        self.name = name
        self.rng = rng
        self.acknowledged = 0
        self.known: dict[str, tuple[int, bytes] | None] = {}
        self.doubtful: tuple[str, bytes | None] | None = None

    async def run(self, storage: SqliteStorage) -> None:
        while True:
            key = f"{ROOT}ns/{self.name}-{self.rng.randrange(40)}"
            there = self.known.get(key)
            value = (
                None if there and self.rng.random() < 0.2 else self.rng.randbytes(self.rng.choice((10, 1000, 20_000)))
            )
            self.doubtful = (key, value)
            if there is None:
                value = value or b""
                self.doubtful = (key, value)
                revision = await storage.create(key, value)
            elif value is None:
                revision = await storage.delete(key, expect=there[0])
            else:
                revision = await storage.update(key, value, expect=there[0])
            self.doubtful = None
            self.known[key] = None if value is None else (revision, value)
            self.acknowledged += 1

    def settle(self, found: dict[str, tuple[int, bytes]]) -> None:
        """Hold what was promised against what is there; then take what is there for known."""
        doubt = self.doubtful[0] if self.doubtful else None
        for key, promised in self.known.items():
            if key != doubt:
                assert found.get(key) == promised, f"{key} was acknowledged"
        if self.doubtful:
            key, value = self.doubtful
            before, now = self.known.get(key), found.get(key)
            assert now == before or (now[1] if now else None) == value, f"{key} half-appeared"
            self.known[key] = now
            self.doubtful = None


async def load(storage: SqliteStorage, writers: list[Writer], process: StoreProcess, after: float) -> None:
    """Write until the store is killed under it, `after` seconds from now."""

    async def write(writer: Writer) -> None:
        with pytest.raises(StorageError):
            await writer.run(storage)

    async with asyncio.TaskGroup() as group:
        for writer in writers:
            group.create_task(write(writer))
        await asyncio.sleep(after)
        os.kill(process.pid, signal.SIGKILL)
    await process.wait()


def test_kill_minus_nine_in_a_loop(tmp_path: Path) -> None:
    async def main() -> None:
        rng = random.Random(7)
        writers = [Writer(name, rng) for name in range(16)]
        database, socket = str(tmp_path / "state.db"), str(tmp_path / "run" / "s")
        process = await spawn(database, socket, CLOCK)
        storage = await connect(socket, CLOCK)
        told: list[Event] = []

        async def listen() -> None:
            """Watch through every crash, until the event of the last write."""
            async for batch in storage.watch(ROOT, 0):
                if not isinstance(batch, Progress):
                    told.extend(batch)
                    if batch[-1].key == LAST:
                        return

        listener = asyncio.create_task(listen())
        for _ in range(KILLS):
            await load(storage, writers, process, rng.uniform(0.02, 0.2))
            process.release()
            process = await spawn(database, socket, CLOCK)
            page = await storage.list(ROOT)
            found = {item.key: (item.revision, item.value) for item in page.items}
            assert len(found) == len(page.items)
            for writer in writers:
                writer.settle(found)
            history = await events(storage, ROOT, 0, page.revision)
            assert [event.revision for event in history] == list(range(1, page.revision + 1))
            assert replay(history) == found
        assert sum(writer.acknowledged for writer in writers) > 50 * KILLS
        await storage.create(LAST, b"")
        await asyncio.wait_for(listener, 10)
        assert told[:-1] == history, "the watch that lived through every crash missed nothing and repeated nothing"
        await storage.close()
        await process.stop()

    asyncio.run(main())


def replay(history: list[Event]) -> dict[str, tuple[int, bytes]]:
    """The state that follows from the events, each checked against what it says it replaced."""
    state: dict[str, tuple[int, bytes]] = {}
    for event in history:
        before = state.pop(event.key, None)
        assert event.previous == (before[1] if before else None)
        if event.value is not None:
            state[event.key] = (event.revision, event.value)
    return state


def test_requests_wait_for_a_store_that_comes_back(tmp_path: Path) -> None:
    async def main() -> None:
        database, socket = str(tmp_path / "state.db"), str(tmp_path / "run" / "s")
        process = await spawn(database, socket, CLOCK)
        storage = await connect(socket, CLOCK)
        revision = await storage.create(ROOT + "a/b", b"1")
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        process.release()
        await asyncio.sleep(0.05)
        waiting = asyncio.gather(storage.get(ROOT + "a/b"), storage.create(ROOT + "a/c", b"2"), storage.list(ROOT))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        process = await spawn(database, socket, CLOCK)
        item, created, _ = await waiting
        assert item is not None
        assert (item.value, created) == (b"1", revision + 1)
        await storage.close()
        await process.stop()

    asyncio.run(main())
