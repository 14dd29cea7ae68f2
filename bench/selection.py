"""What a label selector costs among many objects: lists and watches that find few or none, by operator, and what the
index adds to a write and to memory. In one process, no sockets.

python bench/selection.py [OBJECTS]        Prints figures, asserts nothing.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from urllib.parse import parse_qs, quote

import msgspec
import uvloop

from longboat.aio.clock import SystemClock
from longboat.apiserver.app import APIServer, Config
from longboat.apiserver.authn.identity import known
from longboat.apiserver.request import Request, Response
from longboat.storage.memory import MemoryStorage

ADMIN = known("admin", ["system:masters"])
PATH = "/apis/storage.k8s.io/v1/csidrivers"  # a kind that nobody makes objects of by himself
SELECTORS = [
    "app=none", "app in (none,no)", "none", "all!=yes", "all notin (yes)", "!all", "app=a7,all!=yes", "name=n7",
]  # fmt: skip
TIMES = 50


def say(what: str, figure: str) -> None:
    print(f"{what:<58} {figure:>24}", flush=True)


def resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def ask(api: APIServer, query: str) -> Response:
    async def nothing(limit: int) -> bytes:
        return b""

    return await api.handle(Request("GET", PATH, parse_qs(query), {}, nothing, "127.0.0.1", user=ADMIN))


async def listed(api: APIServer, selector: str) -> int:
    response = await ask(api, f"labelSelector={quote(selector)}")
    return len(msgspec.json.decode(response.body)["items"])


async def watched(api: APIServer, selector: str) -> int:
    """How many bytes come first. A streaming list tells its end with a bookmark, so that there is something to see."""
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    response = await ask(api, f"{query}&labelSelector={quote(selector)}")
    assert response.stream is not None
    async for piece in response.stream:
        await response.stream.aclose()  # type: ignore[attr-defined]
        return len(piece)
    return 0


async def timed(work: Callable[[], Awaitable[int]]) -> str:
    times = []
    for _ in range(TIMES):
        start = time.perf_counter()
        await work()
        times.append(time.perf_counter() - start)
    times.sort()
    return f"{median(times) * 1e3:.2f} ms, p99 {times[-1] * 1e3:.2f}"


async def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
    clock = SystemClock()
    storage = MemoryStorage(clock)
    api = APIServer(storage, clock, Config())
    await api.start()
    gc.collect()
    before, start = resident(), time.perf_counter()
    for number in range(count):
        labels = {"all": "yes", "app": f"a{number % 1000}", "name": f"n{number}"}
        metadata = {"name": f"d{number:06}", "uid": f"{number:032}", "labels": labels}
        body = {
            "kind": "CSIDriver",
            "apiVersion": "storage.k8s.io/v1",
            "metadata": metadata,
            "spec": {"tokenRequests": []},
        }
        await storage.create(f"/registry/csidrivers/d{number:06}", msgspec.json.encode(body))
    await asyncio.sleep(0.5)
    gc.collect()
    say(f"{count} objects into an empty cache", f"{(time.perf_counter() - start) / count * 1e6:.0f} µs each")
    say("memory of object, cache and storage", f"{(resident() - before) / count * 1e6:.0f} bytes each")
    for selector in SELECTORS:
        found = await listed(api, selector)
        say(f"list of {found} where {selector}", await timed(lambda: listed(api, selector)))  # noqa: B023 - awaited here
        say(f"watch from the beginning where {selector}", await timed(lambda: watched(api, selector)))  # noqa: B023
    await api.close()
    await storage.close()


if __name__ == "__main__":
    uvloop.run(main())
