"""Every storage the suites run against, each opened by one async context manager."""

from __future__ import annotations

import asyncio
import functools
import itertools
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from longboat.aio.clock import SystemClock, VirtualClock
from longboat.storage.encryption.aes import Gcm
from longboat.storage.encryption.keyring import Keyring
from longboat.storage.encryption.sealer import Clear, Several
from longboat.storage.encryption.storage import EncryptedStorage
from longboat.storage.etcd import storage as etcd_storage
from longboat.storage.etcd.address import parse
from longboat.storage.etcd.shifted import ShiftedStorage
from longboat.storage.interface import Event, Progress, Storage
from longboat.storage.memory import MemoryStorage
from longboat.storage.sqlite.client import connect
from longboat.storage.sqlite.process import spawn
from suites.etcds import BINARIES, shared

Pass = Callable[[float], Awaitable[None]]  # lets so many seconds pass for the storage


@asynccontextmanager
async def memory() -> AsyncIterator[tuple[Storage, Pass]]:
    clock = VirtualClock()
    storage = MemoryStorage(clock)
    yield storage, clock.advance
    await storage.close()


@asynccontextmanager
async def sqlite() -> AsyncIterator[tuple[Storage, Pass]]:
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="longboat-") as directory:
        process = await spawn(str(Path(directory, "state.db")), str(Path(directory, "run", "store")), clock)
        storage = await connect(process.socket, clock)
        try:
            yield storage, clock.sleep
        finally:
            await storage.close()
            await process.stop()


@asynccontextmanager
async def encrypted() -> AsyncIterator[tuple[Storage, Pass]]:
    """What these tests store is sealed, with the second of two providers able to open it too."""
    sealers = [Gcm(bytes(32), prefix=b"k8s:enc:aesgcm:v1:one:"), Clear()]
    async with memory() as (storage, let_pass):
        keyring = Keyring({"/": Several(sealers, unmatched="no matching prefix found")})
        yield EncryptedStorage(storage, keyring), let_pass


@asynccontextmanager
async def shifted() -> AsyncIterator[tuple[Storage, Pass]]:
    """Brought from a store whose newest revision was 1000."""
    async with memory() as (storage, let_pass):
        since = await storage.create("/brought", b"") + 1000
        yield ShiftedStorage(storage, 1000, since), let_pass  # type: ignore[arg-type]


def etcd(name: str) -> Callable[[], AbstractAsyncContextManager[tuple[Storage, Pass]]]:
    """Beneath a prefix that nothing has used yet, of an etcd that goes on from test to test."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[tuple[Storage, Pass]]:
        clock = SystemClock()

        async def let_pass(seconds: float) -> None:
            await clock.sleep(seconds + 2)  # its leases last for whole seconds, and it looks each half second

        storage = await etcd_storage.connect(parse(f"{shared(name).url}/test-{next(PREFIXES)}"), clock)
        try:
            yield storage, let_pass
        finally:
            await storage.close()

    return opened


PREFIXES = itertools.count()
ETCDS = [name for name, binary in BINARIES.items() if name == "etcd" or binary.exists()]
BACKENDS = {"memory": memory, "sqlite": sqlite, "encrypted": encrypted, "shifted": shifted} | {
    name: etcd(name) for name in ETCDS
}


def every_backend(test: Callable[..., Awaitable[None]]) -> Any:
    """Run the coroutine `test(storage)` or `test(storage, let_pass)` on each backend."""

    @pytest.mark.parametrize("backend", BACKENDS)
    def run(backend: str) -> None:
        async def main() -> None:
            async with BACKENDS[backend]() as (storage, let_pass):
                wants_time = test.__code__.co_argcount > 1  # type: ignore[attr-defined]
                await (test(storage, let_pass) if wants_time else test(storage))

        asyncio.run(main())

    functools.update_wrapper(run, test, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
    del run.__wrapped__  # type: ignore[attr-defined]
    return run


async def events(storage: Storage, prefix: str, after: int, until: int, **options: Any) -> list[Event]:
    """What a watch from `after` tells up to revision `until`."""
    seen: list[Event] = []
    stream = storage.watch(prefix, after, **options)
    reached = after
    while reached < until:
        batch = await asyncio.wait_for(anext(stream), 10)
        if isinstance(batch, Progress):
            reached = batch.revision
        else:
            seen += batch
            reached = seen[-1].revision
    await stream.aclose()  # type: ignore[attr-defined]
    return seen
