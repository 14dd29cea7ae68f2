"""The storage of a control plane: in memory, a store process that somebody else starts, or one of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.assembly.control_plane.settings import MEMORY, Settings
from longboat.storage.interface import Storage, StorageError

PATIENCE = 10.0  # seconds a store that is started beside us may take


async def opened(settings: Settings, clock: Clock, held: AsyncExitStack) -> Storage:
    """Goes, and its process with it, when `held` does. Raises OSError, StorageError."""
    if settings.store == MEMORY:
        from longboat.storage.memory import MemoryStorage

        return _closing(MemoryStorage(clock), held)
    from longboat.storage.sqlite import client, process

    if settings.store_socket:
        return _closing(await _patiently(lambda: client.connect(settings.store_socket, clock), clock), held)
    root = settings.data_dir
    run_dir = root / "run"
    run_dir.mkdir(mode=0o700, exist_ok=True)
    database, socket = Path(settings.store or root / "state.db"), run_dir / "store.sock"
    store = await process.spawn(str(database), str(socket), clock)
    held.push_async_callback(store.stop)
    return _closing(await client.connect(str(socket), clock), held)


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
