"""The store of a cluster, for a command: the running one, or one started for as long as the command takes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.cli.errors import Failure
from longboat.storage.interface import StorageError
from longboat.storage.sqlite import process
from longboat.storage.sqlite.client import SqliteStorage, connect


def database(root: Path) -> Path:
    return root / "state.db"


def socket(root: Path) -> Path:
    return root / "run" / "store.sock"


@asynccontextmanager
async def opened(root: Path, clock: Clock) -> AsyncIterator[SqliteStorage]:
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
