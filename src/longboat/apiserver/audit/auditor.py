"""All that an API server's audit consists of, put together."""

from __future__ import annotations

import asyncio
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.apiserver.audit import webhook
from longboat.apiserver.audit.filter import audit, received
from longboat.apiserver.audit.rotation import Limits
from longboat.apiserver.audit.rules import Policy
from longboat.apiserver.audit.sinks import Sinks
from longboat.apiserver.audit.trail import AuditTrail
from longboat.apiserver.audit.webhook import Webhook
from longboat.apiserver.request import Filter


class Auditor:
    """`links` are those of the chain: one around authentication and, where a policy says what is recorded, one behind
    it. There are none where nothing is recorded."""

    def __init__(
        self, log: Path | None, limits: Limits, policy: Policy | None, remote: webhook.Settings | None, clock: Clock
    ) -> None:
        self.trail = AuditTrail(log, limits, clock) if log else None
        self._webhook = Webhook(remote, clock) if remote else None
        sinks, links = Sinks(self.trail, self._webhook), list[Filter]()
        if self.trail or self._webhook:
            links.append(audit(sinks, clock, policy))
            links += [] if policy is None else [received(sinks, clock, policy)]
        self.links = links

    async def start(self, tasks: Tasks) -> None:
        """Raises OSError: what cannot record does not serve."""
        if self.trail:
            await asyncio.to_thread(self.trail.check)
            tasks.spawn("audit", self.trail.run())
        if self._webhook:
            tasks.spawn("audit webhook", self._webhook.run())

    async def close(self) -> None:
        if self._webhook:
            await self._webhook.close()
        if self.trail:
            await self.trail.flush()
