"""The store of a cluster, for a command: the running one, or one started for as long as the command takes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from longboat.aio.clock import Clock
from longboat.assembly import store_record
from longboat.cli.errors import Failure
from longboat.storage.interface import Storage, StorageError
from longboat.storage.sqlite import process
from longboat.storage.sqlite.client import SqliteStorage, connect


class Purged(Storage, Protocol):
    """What keeps a cluster: its history can be forgotten altogether."""

    async def purge(self) -> None: ...


def database(root: Path) -> Path:
    return root / "state.db"


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
        await identity.check(etcd, recorded[0])
        yield etcd
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
