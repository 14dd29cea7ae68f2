"""A file of configuration that is read again when it changes: what cannot be used is told of, and changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from hashlib import sha256
from pathlib import Path
from socket import gethostname

from longboat.aio.clock import Clock
from longboat.aio.followed import FollowedFile
from longboat.machinery.configfile import BadConfiguration
from longboat.machinery.exposition import Family, Sample
from longboat.storage.encryption.live import Reloads

log = logging.getLogger(__name__)


class Followed:
    """`use` takes up what is in the file now, and raises BadConfiguration. `data`: what it was when it was first read.

    `what` is configured, as upstream's figures call it."""

    def __init__(
        self, what: str, file: Path, data: bytes, clock: Clock, use: Callable[[bytes], Awaitable[None]]
    ) -> None:
        self.what, self.reloads = what, Reloads()
        self._file, self._clock, self._use = file, clock, use
        self._digest = self.reloads.digest = _digest(data)

    async def run(self) -> None:
        """Until cancelled. It is read once more at first: it may have changed since."""
        await FollowedFile(self._file, self._clock, self._reload, BadConfiguration, self._told).run()

    def _told(self, error: Exception | None) -> None:
        if error is not None:
            log.error("%s stays as it was: %s: %s", self.what, self._file, error)
        else:
            log.info("%s is as %s says now", self.what, self._file)
        self.reloads.count("success" if error is None else "failure", self._clock.now())

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
