"""The store of a cluster, for a command: the running one, or one started for as long as the command takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.assembly import keys, store_record
from longboat.cli import alive
from longboat.cli.errors import Failure
from longboat.storage.interface import Purged, StorageError
from longboat.storage.sqlite import process
from longboat.storage.sqlite.client import SqliteStorage, connect


def database(root: Path) -> Path:
    return root / "state.db"


@contextmanager
def stopped(root: Path) -> Iterator[None]:
    """Makes sure that the cluster does not run, and does not start meanwhile. Raises Failure."""
    lock = keys.Lock(root)
    try:
        names = [running.name for running in alive.running(root / "run")]
        if names or not lock.take(alone=True):
            raise Failure(f"the cluster in {root} is running", "Stop it first: longboat down")
        yield
    finally:
        lock.close()


def socket(root: Path) -> Path:
    return root / "run" / "store.sock"


@asynccontextmanager
async def opened(root: Path, clock: Clock) -> AsyncIterator[Purged]:
    """Raises Failure, StorageError."""
    if (recorded := store_record.read(root)) is None:
        async with in_file(root, clock) as storage:
            yield storage
        return
    from longboat.storage.etcd import identity
    from longboat.storage.etcd.storage import connect as connect_to_etcd

    etcd = await connect_to_etcd(recorded[1], clock)
    try:
        found = await identity.check(etcd, recorded[0])
        yield identity.counted(etcd, found) if found else etcd
    finally:
        await etcd.close()


@asynccontextmanager
async def in_file(root: Path, clock: Clock) -> AsyncIterator[SqliteStorage]:
    """Raises Failure."""
    try:
        storage = await connect(str(socket(root)), clock)
    except StorageError:
        async with _started(root, clock) as storage:
            yield storage
        return
    try:
        yield storage
    finally:
        await storage.close()


@asynccontextmanager
async def _started(root: Path, clock: Clock) -> AsyncIterator[SqliteStorage]:
    if not database(root).exists():
        raise Failure(f"there is no cluster in {root}", "Name one: --name NAME, or --data-dir DIR")
    try:
        store = await process.spawn(str(database(root)), str(root / "run" / "command.sock"), clock)
    except StorageError as error:
        raise Failure(f"the database cannot be opened: {error}") from error
    try:
        storage = await connect(store.socket, clock)
        try:
            yield storage
        finally:
            await storage.close()
    finally:
        await store.stop()
