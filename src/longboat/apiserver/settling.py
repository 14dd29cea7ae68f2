"""What follows from stored objects, and is stored itself: brought up to date whenever one of them changes."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from longboat.aio.clock import Clock
from longboat.machinery.errors import StatusError
from longboat.registry.store import Store
from longboat.storage.interface import Compacted, StorageError

log = logging.getLogger(__name__)

RETRY = 1.0  # seconds after a failure


async def keep_settled(
    watched: Store, settle: Callable[[], Awaitable[object]], clock: Clock, what: str, namespace: str = ""
) -> None:
    """Call `settle`, and again after each change of what is `watched`, until cancelled. `what`: for the log."""
    cache = watched.cache
    prefix = f"{cache.prefix}{namespace}/" if namespace else cache.prefix
    while True:
        watcher = cache.watch(prefix, cache.revision)
        try:
            await settle()
            async for _ in watcher:
                await settle()
        except (StatusError, StorageError, Compacted) as error:
            log.warning("%s could not be brought up to date, trying again: %s", what, error)
        finally:
            watcher.close()
        await clock.sleep(RETRY)
