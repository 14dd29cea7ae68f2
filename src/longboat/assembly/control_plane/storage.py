"""The storage of a control plane: in memory, a store process that somebody else starts, or one of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.assembly import store_record
from longboat.assembly.control_plane.settings import MEMORY, Settings
from longboat.assembly.errors import Failure
from longboat.machinery.exposition import Family, Sample
from longboat.storage.interface import Storage, StorageError

BLOCK = 512  # bytes (stat(2), st_blocks)
SIZE = "[STABLE] Size of the storage database file physically allocated in bytes."
PATIENCE = 10.0  # seconds a store that is started beside us may take


async def opened(settings: Settings, clock: Clock, held: AsyncExitStack) -> Storage:
    """Goes, and its process with it, when `held` does. Raises OSError, StorageError, Failure."""
    if settings.store == MEMORY:
        from longboat.storage.memory import MemoryStorage

        return _closing(MemoryStorage(clock), held)
    if settings.etcd is not None:
        from longboat.assembly.control_plane import etcd

        return await etcd.opened(settings.data_dir, settings.etcd, clock, held)
    if (recorded := store_record.read(settings.data_dir)) is not None:
        raise Failure(
            f"the state of the cluster in {settings.data_dir} is in {recorded[1]}",
            f"Add --store {recorded[1]}, or bring it back: longboat store migrate --data-dir {settings.data_dir}",
        )
    from longboat.storage.sqlite import client, process

    if settings.store_socket:
        return _closing(await _patiently(lambda: client.connect(settings.store_socket, clock), clock), held)
    root = settings.data_dir
    run_dir = root / "run"
    run_dir.mkdir(mode=0o700, exist_ok=True)
    database, socket = _database(settings), run_dir / "store.sock"
    store = await process.spawn(str(database), str(socket), clock)
    held.push_async_callback(store.stop)
    return _closing(await client.connect(str(socket), clock), held)


def _database(settings: Settings) -> Path:
    return Path(settings.store or settings.data_dir / "state.db")


def families(settings: Settings) -> list[Family]:
    """What the database and its log, where what is new is first, take on their disk; nothing if they are not here."""
    taken = 0
    for file in (
        () if settings.store == MEMORY or settings.etcd else (_database(settings), Path(f"{_database(settings)}-wal"))
    ):
        with suppress(OSError):
            taken += file.stat().st_blocks * BLOCK
    if not taken:
        return []
    return [Family("apiserver_storage_size_bytes", "gauge", SIZE, [Sample(taken, {"storage_cluster_id": "sqlite-0"})])]


def _closing(storage: Storage, held: AsyncExitStack) -> Storage:
    held.push_async_callback(storage.close)
    return storage


async def _patiently(connect: Callable[[], Awaitable[Storage]], clock: Clock) -> Storage:
    """A store process may only now be starting. Raises StorageError."""
    patience = clock.monotonic() + PATIENCE
    while True:
        try:
            return await connect()
        except StorageError:
            if clock.monotonic() > patience:
                raise
            await clock.sleep(0.01)
