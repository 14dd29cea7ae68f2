"""An EncryptionConfiguration file in use: read, and read again whenever it changes."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from longboat.aio.clock import Clock
from longboat.aio.followed import FollowedFile
from longboat.aio.tasks import Tasks
from longboat.machinery.configfile import BadConfiguration
from longboat.storage.encryption.configuration import Kms, digest_of, parse
from longboat.storage.encryption.keyring import Keyring
from longboat.storage.encryption.resources import Resource, by_prefix
from longboat.storage.encryption.running import Running

if TYPE_CHECKING:
    from longboat.storage.encryption.kms.service import Service

log = logging.getLogger(__name__)


class Reloads:
    """For the metrics: how often the file was read again, when last (seconds since the epoch), and what is in use."""

    def __init__(self) -> None:
        self.total: Counter[str] = Counter()  # by status: success, failure
        self.last: dict[str, float] = {}
        self.digest = ""

    def count(self, status: str, now: datetime) -> None:
        self.total[status] += 1
        self.last[status] = now.timestamp()


RELOADS = Reloads()


class Encryption:
    """`keyring` holds what the file says. `on_change` is called when more may be readable than before.

    `stored` tells where resources are kept. A file that cannot be used any more leaves everything as it was.
    """

    def __init__(
        self,
        path: Path,
        stored: Mapping[Resource, tuple[str, ...]],
        clock: Clock,
        *,
        make_service: Callable[[Kms], Service] | None = None,
        reloads: Reloads = RELOADS,
    ) -> None:
        self.keyring = Keyring()
        self.on_change: Callable[[], None] = lambda: None
        self._path = path
        self._stored = stored
        self._clock = clock
        self._make_service = make_service or over_grpc
        self._reloads = reloads
        self._tasks = Tasks("encryption")
        self._running: Running | None = None
        self._file = FollowedFile(path, clock, self._reload, BadConfiguration, self._told)

    async def start(self) -> None:
        """Raises BadConfiguration."""
        self._file.note()
        running = self._load()
        await running.start()
        self._use(running)
        self._tasks.spawn("follow", self._file.run())

    async def check(self) -> str | None:
        """What is wrong with the services behind it, None if nothing."""
        return await self._running.check() if self._running else None

    async def close(self) -> None:
        await self._tasks.close()
        if self._running:
            await self._running.close()

    def _load(self) -> Running:
        """Raises BadConfiguration."""
        data = self._read()
        try:
            configuration = parse(data)
        except BadConfiguration as error:
            why = f'error decoding encryption provider configuration file "{self._path}": {error}'
            raise BadConfiguration(f"error while parsing file: {why}") from None
        try:
            return Running(configuration, self._clock, self._make_service, lambda: self.on_change())
        except BadConfiguration as error:
            raise BadConfiguration(f"error while building transformers: {error}") from None

    def _read(self) -> bytes:
        try:
            data = self._path.read_bytes()
        except OSError as error:
            why = f'error reading encryption provider configuration file "{self._path}": {error.strerror}'
            raise BadConfiguration(f"error while parsing file: {why}") from None
        if not data:
            why = f'encryption provider configuration file "{self._path}" is empty'
            raise BadConfiguration(f"error while parsing file: {why}")
        return data

    def _use(self, running: Running) -> None:
        self._running = running
        self.keyring.use(by_prefix(running.sealers, self._stored))
        self._reloads.digest = running.digest

    def _told(self, error: Exception | None) -> None:
        if error is not None:
            log.error("the keys stay as they were: %s", error)
        else:
            log.info("using %s as it is now", self._path)
        self._reloads.count("success" if error is None else "failure", self._clock.now())

    async def _reload(self) -> bool:
        """Whether the file says something new. Raises BadConfiguration."""
        if self._running and digest_of(self._read()) == self._running.digest:
            return False
        fresh = self._load()
        try:
            await self._await_health(fresh)
        except BaseException:
            await fresh.close()
            raise
        old = self._running
        self._use(fresh)
        if old:
            self._tasks.spawn("retire", self._retire(old))
        self.on_change()
        return True

    async def _await_health(self, fresh: Running) -> None:
        await fresh.start()
        deadline = self._clock.monotonic() + fresh.patience
        while problem := await fresh.check():
            if self._clock.monotonic() >= deadline:
                raise BadConfiguration(f"health check for new transformers failed: {problem}")
            await self._clock.sleep(0.1)

    async def _retire(self, old: Running) -> None:
        """Close it once nothing can be waiting for its services any more."""
        try:
            await self._clock.sleep(old.patience)
        finally:
            await old.close()


def over_grpc(kms: Kms) -> Service:
    """The service as it is reached; it is not called yet."""
    from longboat.storage.encryption.kms.service import GrpcService  # only those who use one load gRPC

    return GrpcService(kms.endpoint, kms.timeout)
