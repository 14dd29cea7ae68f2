"""Memory that is given back. glibc keeps what has been freed for the next who asks, in an arena for each thread and
without a bound: a burst of great requests would stay in hand for good. (Where the C library is another: nothing.)"""

from __future__ import annotations

import asyncio
import ctypes
import os
from pathlib import Path

from longboat.aio.clock import Clock

EVERY, RARELY = 2.0, 60.0  # seconds between looks, and at most where looking brings nothing
WORTH = 8 << 20  # bytes of growth that are worth an attempt
THREADS_ARENAS = 2
APART = 512 << 10  # bytes from which an allocation is a mapping of its own, which goes as soon as it is freed
ON_TOP = 2 << 20  # bytes that may lie free above all others: what is sent piece by piece would fetch them each time
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # mallopt(3)


def in_hand() -> int:
    """Bytes of memory this process has in hand. Raises OSError."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def spare() -> None:
    """Keep less of what is freed. Without this the threshold of mallopt(3) rises with each great allocation."""
    if (library := _glibc()) is not None:
        library.mallopt(_ARENA_MAX, THREADS_ARENAS)
        library.mallopt(_MMAP_THRESHOLD, APART)
        library.mallopt(_TRIM_THRESHOLD, ON_TOP)


async def give_back(clock: Clock) -> None:
    """Now and then, after the process has grown, hand what is free back to the kernel. Runs until cancelled."""
    library = _glibc()
    if library is None:
        return
    least = tried = in_hand()
    pause = EVERY
    while True:
        await clock.sleep(pause)
        now = in_hand()
        if now - tried > WORTH:
            pause = EVERY
        if now - least > WORTH:
            await asyncio.to_thread(library.malloc_trim, 0)
            tried, pause = in_hand(), min(2 * pause, RARELY)
            least = min(least, tried)
        else:
            least = min(least, now)


def _glibc() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") else None
