"""ResourceQuota: nothing is made that would take more than its namespace may have.

What a write takes is noted in the quotas' status before it is made, so that two writes cannot take the same room. A
write that then fails leaves too much noted, until the controller counts anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field

import msgspec

from longboat.aio.clock import Clock
from longboat.api import kinds
from longboat.api.amounts import written
from longboat.apiserver.admission.chain import Plugin
from longboat.apiserver.admission.limited_resources import Limited
from longboat.apiserver.admission.quota_check import Account, Claim, decide, is_counted
from longboat.machinery.errors import StatusError, conflict
from longboat.machinery.objects import Object, meta
from longboat.registry.admission import Attributes, Target
from longboat.registry.store import Store
from longboat.registry.write import Write

ATTEMPTS = 10  # at noting, while others note in the same quota

_decode = msgspec.json.Decoder().decode


class _Outrun(Exception):
    """The quota is not as it was when the decision was made."""

    def __init__(self, current: Object) -> None:
        self.current = current


@dataclass
class _Queue:
    """Writes of one namespace: those that come while others are noted are noted together."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    claims: list[Claim] = field(default_factory=list)


class ResourceQuota(Plugin):
    """`quotas` is the store of ResourceQuotas, `limits` what may be used only where one covers it."""

    def __init__(self, quotas: Store, clock: Clock, limits: Sequence[Limited] = ()) -> None:
        self._quotas = quotas
        self._limits = limits
        self._clock = clock
        self._queues: dict[str, _Queue] = {}

    def handles(self, target: Target) -> bool:
        return is_counted(target)

    def validate(self, attributes: Attributes) -> Awaitable[None] | None:
        """Raises Unreadable."""
        if not self._quotas.empty and self._quotas.entries(attributes.namespace):
            return self._judge(attributes)
        limited = any(limit.concerns(attributes.kind) for limit in self._limits)
        return self._judge(attributes) if limited else None

    async def _judge(self, attributes: Attributes) -> None:
        claim = Claim(attributes, self._clock.now())
        queue = self._queues.setdefault(attributes.namespace, _Queue())
        queue.claims.append(claim)
        try:
            async with queue.lock:
                if not claim.settled:
                    await self._settle(attributes.namespace, list(queue.claims))
        finally:
            queue.claims.remove(claim)
            if not queue.claims:
                self._queues.pop(attributes.namespace, None)
        if claim.refusal is not None:
            raise claim.refusal

    async def _settle(self, namespace: str, claims: Sequence[Claim]) -> None:
        """Raises StatusError where the verdicts cannot be noted."""
        open_claims = [claim for claim in claims if not claim.settled]
        quotas = [_decode(entry.body) for entry in self._quotas.entries(namespace)]
        for _ in range(ATTEMPTS):
            accounts = [Account.of(each) for each in quotas]
            decide(accounts, open_claims, self._limits)
            quotas = await self._note(accounts)
            if not quotas:
                break
        else:
            raise conflict(kinds.RESOURCE_QUOTA, meta(quotas[0]).get("name") or "", "it changes too often")
        for claim in open_claims:
            claim.settled = True

    async def _note(self, accounts: Sequence[Account]) -> list[Object]:
        """Write down what is used. Returns the quotas for which it has to be decided anew, as they are now."""
        outrun = []
        for account in accounts:
            if account.changed:
                try:
                    await self._write(account)
                except _Outrun as changed:
                    outrun.append(changed.current)
        return outrun

    async def _write(self, account: Account) -> None:
        """Raises _Outrun, StatusError."""
        decided_on = account.quota.get("status")

        def change(current: Object) -> Object:
            if current.get("status") != decided_on:
                raise _Outrun(current)
            return {**current, "status": {**(decided_on or {}), "used": written(account.used)}}

        namespace, name = meta(account.quota)["namespace"], account.name
        try:
            await self._quotas.update(namespace, name, change, Write(subresource="status"), retry=True)
        except StatusError as error:
            if error.code != 404:
                raise
