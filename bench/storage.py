"""What the store can do on this machine: durable writes, reads, watches, its memory. Prints figures, asserts nothing.

python bench/storage.py [DIRECTORY]        (a directory on the disk to be measured; the current one by default)
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from longboat.aio.clock import SystemClock
from longboat.storage.interface import Progress
from longboat.storage.sqlite.client import SqliteStorage, connect
from longboat.storage.sqlite.process import spawn
from longboat.storage.watchcache import WatchCache
from longboat.storage.watcher import Watcher

ROOT = "/registry/configmaps/"
VALUE = b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x"},"data":{"x":"%b"}}' % (b"x" * 940)
CLOCK = SystemClock()
WRITERS = 16
SLICE = 0.0002  # seconds of work per pass of each coroutine that keeps the loop busy


def say(what: str, figure: str) -> None:
    print(f"{what:<58} {figure:>16}", flush=True)


def fsync_time(directory: str, size: int) -> float:
    """Median seconds to append `size` bytes to a file and have them on the disk."""
    times = []
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        for _ in range(200):
            file.write(bytes(size))
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    return sorted(times)[100]


def memory(pid: int) -> int:
    """Proportional set size in bytes."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))


def cpu(pid: int) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def rate(action: Callable[[int, int], Awaitable[object]], workers: int, seconds: float) -> float:
    """How often per second `workers` coroutines get `action(worker, turn)` done."""
    done = 0
    end = time.perf_counter() + seconds

    async def work(worker: int) -> None:
        nonlocal done
        turn = 0
        while time.perf_counter() < end:
            await action(worker, turn)
            turn += 1
            done += 1

    start = time.perf_counter()
    await asyncio.gather(*(work(worker) for worker in range(workers)))
    return done / (time.perf_counter() - start)


async def spin() -> None:
    """Work that never leaves the loop idle, as a saturated API server does."""
    while True:
        end = time.perf_counter() + SLICE
        while time.perf_counter() < end:
            pass
        await asyncio.sleep(0)


async def measure(storage: SqliteStorage, pid: int) -> None:
    runs = iter(range(100))

    async def creates(what: str, workers: int = WRITERS) -> None:
        run, used = next(runs), cpu(pid)
        before = await storage.current_revision()
        per_second = await rate(lambda w, i: storage.create(f"{ROOT}ns-{run}/{w}-{i}", VALUE), workers, 3)
        each = (cpu(pid) - used) / (await storage.current_revision() - before)
        say(what, f"{per_second:,.0f}/s")
        say("  store's processor time for each", f"{each * 1e6:.0f} µs")

    await creates("durable creates of 1 KB, 16 writers")
    await creates("durable creates of 1 KB, 1 writer", 1)
    busy = [asyncio.create_task(spin()) for _ in range(4)]
    await creates("durable creates of 1 KB, 16 writers, client's loop saturated")
    for task in busy:
        task.cancel()
    current = {w: await storage.create(f"{ROOT}updated/{w}", VALUE) for w in range(WRITERS)}

    async def update(w: int, _: int) -> None:
        current[w] = await storage.update(f"{ROOT}updated/{w}", VALUE, expect=current[w])

    say("durable updates of 1 KB, 16 writers", f"{await rate(update, WRITERS, 2):,.0f}/s")
    say("reads of 1 KB, 16 readers", f"{await rate(lambda w, i: storage.get(f'{ROOT}updated/{w}'), WRITERS, 1):,.0f}/s")
    await cached(storage)
    say("store's memory (PSS) at the end", f"{memory(pid) / 2**20:.1f} MB")


async def cached(storage: SqliteStorage) -> None:
    start = time.perf_counter()
    cache = WatchCache(storage, ROOT, CLOCK, lambda body: ({}, {}))
    await cache.start()
    took = time.perf_counter() - start
    say(f"watch cache: filled with {len(cache):,} objects of 1 KB", f"{len(cache) / took:,.0f}/s")
    keys = [entry.key for entry in cache.snapshot().entries(ROOT)][:500]
    start, turns = time.perf_counter(), 20
    for _ in range(turns):
        for key in keys:
            cache.get(key)
    say("watch cache: get", f"{turns * len(keys) / (time.perf_counter() - start):,.0f}/s")
    start = time.perf_counter()
    for _ in range(turns * 10):
        b",".join([entry.body for entry in cache.snapshot().entries(ROOT, "", 500)])
    say("watch cache: list of 500, joined", f"{turns * 10 / (time.perf_counter() - start):,.0f}/s")

    watchers = [cache.watch(ROOT, cache.revision, buffer=1_000_000) for _ in range(100)]

    async def read(watcher: Watcher) -> None:
        seen = 0
        async for batch in watcher:
            if not isinstance(batch, Progress):
                seen += len(batch)
            if seen >= 2000:
                return

    async def create(worker: int, turn: int) -> None:
        await cache.wait_for(await storage.create(f"{ROOT}cached/{worker}-{turn}", VALUE))

    reading = asyncio.gather(*(read(watcher) for watcher in watchers))
    per_second = await rate(create, WRITERS, 2)
    await reading
    say("creates seen in the cache, 100 watchers", f"{per_second:,.0f}/s")
    await cache.stop()


async def main(directory: str) -> None:
    say("disk: append 20 KB and fdatasync, median", f"{fsync_time(directory, 20_000) * 1e3:.2f} ms")
    with tempfile.TemporaryDirectory(dir=directory) as place:
        start = time.perf_counter()
        process = await spawn(f"{place}/state.db", f"{place}/run/s", CLOCK)
        say("store: start until it serves", f"{(time.perf_counter() - start) * 1e3:.0f} ms")
        storage = await connect(process.socket, CLOCK)
        say("store: memory (PSS) when fresh", f"{memory(process.pid) / 2**20:.1f} MB")
        await measure(storage, process.pid)
        await storage.close()
        await process.stop()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1] if len(sys.argv) > 1 else "."))
