"""What runs for one configuration: its sealers, and the probes of the services it names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.machinery.configfile import BadConfiguration
from longboat.storage.encryption.configuration import Configuration, Kms
from longboat.storage.encryption.providers import sealers
from longboat.storage.encryption.sealer import Sealer, together

if TYPE_CHECKING:
    from longboat.storage.encryption.kms.probe import Probe
    from longboat.storage.encryption.kms.service import Service

PATIENCE = 10.0  # seconds the services of a new configuration are given to be well, at least
KMS_V1 = "KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead."


class Running:
    """The sealers of one configuration, and the services behind them. `recovered`: called when one is well again.

    Raises BadConfiguration.
    """

    def __init__(
        self,
        configuration: Configuration,
        clock: Clock,
        make_service: Callable[[Kms], Service],
        recovered: Callable[[], None],
    ) -> None:
        self.digest = configuration.digest
        self.patience = PATIENCE
        self._clock = clock
        self._make_service = make_service
        self._recovered = recovered
        self._tasks = Tasks("encryption")
        self._probes: list[Probe] = []
        self._services: list[Service] = []
        self.sealers = sealers(configuration, self._kms)

    def _kms(self, kms: Kms) -> Sealer:
        if kms.version == "v1":
            raise BadConfiguration(KMS_V1)
        from longboat.storage.encryption.kms.envelope import Envelope
        from longboat.storage.encryption.kms.probe import Probe

        service = self._make_service(kms)
        envelope = Envelope(kms.name, service, self._clock)
        self._services.append(service)
        self._probes.append(Probe(envelope, self._clock, self._recovered))
        self.patience = max(self.patience, 2 * kms.timeout)
        return envelope

    async def start(self) -> None:
        """Ask every service once, then keep asking; a service may start later than we do."""
        await self.check()
        for probe in self._probes:
            self._tasks.spawn("probe", probe.run())

    async def check(self) -> str | None:
        """What is wrong with the services, None if nothing."""
        found = [(i, await probe.check()) for i, probe in enumerate(self._probes)]
        return together([f"kms-provider-{i}: {problem}" for i, problem in found if problem]) or None

    async def close(self) -> None:
        await self._tasks.close()
        for service in self._services:
            await service.close()
