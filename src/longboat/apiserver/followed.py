"""A file of configuration that is read again when it changes: what cannot be used is told of, and changes nothing."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from hashlib import sha256
from pathlib import Path
from socket import gethostname

from longboat.aio.clock import Clock
from longboat.machinery.configfile import BadConfiguration
from longboat.machinery.exposition import Family, Sample
from longboat.storage.encryption.live import Reloads

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0  # seconds between looks at the file
RETRY = 10.0  # seconds until a file that could not be used is tried again, should it not have changed


class Followed:
    """`use` takes up what is in the file now, and raises BadConfiguration. `data`: what it was when it was first read.

    `what` is configured, as upstream's figures call it."""

    def __init__(
        self, what: str, file: Path, data: bytes, clock: Clock, use: Callable[[bytes], Awaitable[None]]
    ) -> None:
        self.what, self.reloads = what, Reloads()
        self._file, self._clock, self._use = file, clock, use
        self._digest = self.reloads.digest = _digest(data)
        self._seen: object = None  # the file is read once more at first: it may have changed since

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
                changed = await self._reload()
            except BadConfiguration as error:
                log.error("%s stays as it was: %s: %s", self.what, self._file, error)
                self._count("failure")
                retry_at = self._clock.monotonic() + RETRY
            else:
                if changed:
                    log.info("%s is as %s says now", self.what, self._file)
                    self._count("success")

    async def _reload(self) -> bool:
        """Raises BadConfiguration."""
        try:
            data = self._file.read_bytes()
        except OSError as error:
            raise BadConfiguration(str(error.strerror)) from error
        digest = _digest(data)
        if digest == self._digest:
            return False
        await self._use(data)
        self._digest = self.reloads.digest = digest
        return True

    def _look(self) -> object:
        """Whatever changes when the file does, or what a link to it points to."""
        try:
            found = os.stat(self._file)
        except OSError as error:
            return error.errno
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _count(self, status: str) -> None:
        self.reloads.total[status] += 1
        self.reloads.last[status] = self._clock.now().timestamp()

    def families(self) -> Iterator[Family]:
        """Under upstream's names (server/options/authenticationconfig and authorizationconfig, metrics)."""
        of = f"{self.what} configuration split by status and apiserver identity."
        yield from families(
            f"apiserver_{self.what}_config_controller", self.reloads, f"[BETA] Total number of reloads of {of}",
            f"[BETA] Timestamp of the last automatic reload of {of}",
            f"[BETA] Information about the last applied {self.what} configuration with hash as label, split by "
            "apiserver identity.",
        )  # fmt: skip


def _digest(data: bytes) -> str:
    return "sha256:" + sha256(data).hexdigest()


def server_hash() -> str:
    """Which API server this is, where figures say so."""
    return "sha256:" + sha256(gethostname().encode()).hexdigest()


def families(name: str, reloads: Reloads, total: str, last: str, applied: str) -> Iterator[Family]:
    """How a file was kept up with. `total`, `last`, `applied`: what the figures are explained by."""
    server = server_hash()
    by_status = [({"status": status, "apiserver_id_hash": server}, status) for status in list(reloads.total)]
    yield Family(f"{name}_automatic_reloads_total", "counter", total,
                 [Sample(reloads.total[status], labels) for labels, status in by_status])  # fmt: skip
    yield Family(f"{name}_automatic_reload_last_timestamp_seconds", "gauge", last,
                 [Sample(reloads.last[status], labels) for labels, status in by_status])  # fmt: skip
    used = [Sample(1, {"apiserver_id_hash": server, "hash": reloads.digest})] if reloads.digest else []
    yield Family(f"{name}_last_config_info", "gauge", applied, used)
