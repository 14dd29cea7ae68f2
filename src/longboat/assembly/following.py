"""Certificates that are replaced on disk while a process uses them: it takes up the new ones, and loses no connection.

A connection keeps the certificate it began with; the next handshake shows the new one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.apiserver.pki import Pair

log = logging.getLogger(__name__)

EVERY = 1.0  # seconds between two looks at the files
Stamp = tuple[int, int, int]


@dataclass
class _Followed:
    path: Path
    pair: Pair | None  # None for a file that holds both
    use: Callable[[], Awaitable[None]]
    taken: Stamp | None = None  # of the file as it was when it was last taken up


class Following:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._followed: list[_Followed] = []

    def pair(self, pair: Pair, use: Callable[[], Awaitable[None]]) -> None:
        """Call `use` whenever the pair has changed, and whole: the two files are not replaced at one moment."""
        self._followed.append(_Followed(pair.certificate, pair, use))

    def file(self, path: Path, use: Callable[[], Awaitable[None]]) -> None:
        """The same for a file that holds both, and is in use as it is now."""
        followed = _Followed(path, None, use)
        followed.taken = _stamp(followed)
        self._followed.append(followed)

    async def run(self) -> None:
        """Until cancelled. Pairs are taken up once at the start: they may have changed since they were first read."""
        await asyncio.gather(*map(self._follow, self._followed))

    async def _follow(self, followed: _Followed) -> None:
        while True:
            stamp = await asyncio.to_thread(_stamp, followed)
            if stamp is not None and stamp != followed.taken:
                try:
                    await followed.use()
                except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
                    log.warning("%s is not taken up yet: %s", followed.path, error)
                else:
                    if followed.taken is not None:
                        log.info("%s is new, and in use", followed.path)
                    followed.taken = stamp
            await self._clock.sleep(EVERY)


def _stamp(followed: _Followed) -> Stamp | None:
    """What tells one state of the file from another; None where there is nothing to take up."""
    try:
        found = followed.path.stat()
    except OSError:
        return None
    stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
    if stamp == followed.taken or followed.pair is None or followed.pair.is_whole():
        return stamp
    return None
