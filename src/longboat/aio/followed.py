"""A file that is looked at each second, and taken up again when it has changed."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from longboat.aio.clock import Clock

LOOK_EVERY = 1.0  # seconds between looks at the file
RETRY = 10.0  # seconds until a file that could not be used is tried again, should it not have changed


class FollowedFile:
    """`take` takes up what is in the file now, says whether that is anything new, and raises `unusable` where it cannot
    be used. `told` hears of what came of it: the error, or None where there was something new."""

    def __init__(
        self, file: Path, clock: Clock, take: Callable[[], Awaitable[bool]], unusable: type[Exception],
        told: Callable[[Exception | None], None],
    ) -> None:  # fmt: skip
        self._file, self._clock = file, clock
        self._take, self._unusable, self._told = take, unusable, told
        self._seen: object = None

    def note(self) -> None:
        """It has just been read as it is: it is taken up again once it is another."""
        self._seen = self._look()

    async def run(self) -> None:
        """Until cancelled."""
        retry_at = float("inf")
        while True:
            await self._clock.sleep(LOOK_EVERY)
            look = self._look()
            if look == self._seen and self._clock.monotonic() < retry_at:
                continue
            self._seen, retry_at = look, float("inf")
            try:
                new = await self._take()
            except self._unusable as error:
                self._told(error)
                retry_at = self._clock.monotonic() + RETRY
            else:
                if new:
                    self._told(None)

    def _look(self) -> object:
        """Whatever changes when the file does, or what a link to it points to."""
        try:
            found = os.stat(self._file)
        except OSError as error:
            return error.errno
        return found.st_mtime_ns, found.st_size, found.st_ino
