"""For what does its work in threads under a virtual clock: whatever was begun is done before time goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

HOPS = 20  # between loop and thread, one after the other


def settling() -> Callable[[], Awaitable[None]]:
    """A clock's `settle`. From now on all blocking work of the running loop is done by one thread, in its order."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))

    async def settle() -> None:
        for _ in range(HOPS):
            await asyncio.to_thread(int)
            await asyncio.sleep(0)

    return settle
