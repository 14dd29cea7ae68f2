"""Leader election: of several processes that could do a work, the holder of a Lease does it (client-go's rules)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.api import kinds
from longboat.api.view import Part, View
from longboat.client.interface import Client, Key
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object, micro_timestamp

log = logging.getLogger(__name__)

DURATION = 15  # seconds a lease counts after its renewal (kube-controller-manager, --leader-elect-lease-duration)
DEADLINE = 10.0  # seconds without a renewal after which the leader stops
RETRY = 2.0  # seconds between tries


class Deposed(Exception):
    """The lease could not be renewed in time: somebody else may lead by now."""


class LeaseSpec(Part):
    holderIdentity: str = ""
    leaseDurationSeconds: int = DURATION
    acquireTime: str | None = None
    renewTime: str | None = None
    leaseTransitions: int = 0


class Lease(View):
    KIND: ClassVar[Kind] = kinds.LEASE

    spec: LeaseSpec = LeaseSpec()


def bid(found: LeaseSpec, identity: str, age: float, now: str) -> Object | None:
    """The spec to write to hold the lease; None while another holds it.

    `age` is for how many seconds we have seen the lease unchanged: other machines' clocks are not trusted.
    """
    ours = found.holderIdentity == identity
    if found.holderIdentity and not ours and age < found.leaseDurationSeconds:
        return None
    spec: Object = {"holderIdentity": identity, "leaseDurationSeconds": DURATION, "renewTime": now}
    if not ours:
        spec |= {"acquireTime": now, "leaseTransitions": found.leaseTransitions + 1}
    return spec


class LeaderElector:
    """`identity` must be unique among the candidates, and anew for each start of a process."""

    def __init__(self, client: Client, clock: Clock, lease: Key, identity: str) -> None:
        self.leads = False
        self._client = client
        self._clock = clock
        self._key = lease
        self._identity = identity
        self._seen: tuple[str, float] = ("", 0.0)  # the lease's version, and when it was first seen

    async def lead(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work once elected, until it ends or is cancelled. Raises Deposed; whatever `work` raises."""
        while not await self._try():
            await self._clock.sleep(RETRY)
        log.info("%s leads as %s", self._identity, self._key)
        self.leads = True
        try:
            async with Tasks(f"leader/{self._key.name}") as tasks:
                doing = tasks.spawn("work", _await(work))
                renewing = tasks.spawn("renew", self._renew())
                renewing.add_done_callback(lambda _: doing.cancel())
                try:
                    await doing
                finally:
                    if renewing.done() and not renewing.cancelled():
                        raise Deposed(f"{self._identity} could not renew {self._key}")
        finally:
            self.leads = False
            await self._release()

    async def _renew(self) -> None:
        """Returns when the lease is lost."""
        renewed = self._clock.monotonic()
        while True:
            await self._clock.sleep(RETRY)
            if await self._try():
                renewed = self._clock.monotonic()
            elif self._clock.monotonic() - renewed >= DEADLINE:
                return

    async def _try(self) -> bool:
        try:
            async with self._clock.timeout(DEADLINE):
                return await self._acquire()
        except (StatusError, ConnectionError, TimeoutError) as error:
            log.warning("lease %s: %s", self._key, error)
            return False

    async def _acquire(self) -> bool:
        now = micro_timestamp(self._clock.now())
        try:
            lease = await self._client.get(Lease, self._key)
        except StatusError as error:
            if error.code != 404:
                raise
            spec = bid(LeaseSpec(leaseTransitions=-1), self._identity, 0.0, now)
            body = {"metadata": {"name": self._key.name, "namespace": self._key.namespace}, "spec": spec}
            await self._client.create(kinds.LEASE, body, namespace=self._key.namespace)
            return True
        version, moment = lease.metadata.resourceVersion, self._clock.monotonic()
        if self._seen[0] != version:
            self._seen = (version, moment)
        spec = bid(lease.spec, self._identity, moment - self._seen[1], now)
        if spec is None:
            return False
        await self._write(version, spec)
        return True

    async def _release(self) -> None:
        """Let the next one lead at once."""
        try:
            lease = await self._client.get(Lease, self._key)
            if lease.spec.holderIdentity == self._identity:
                now = micro_timestamp(self._clock.now())
                spec = {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": now, "acquireTime": now}
                await self._write(lease.metadata.resourceVersion, spec)
        except (StatusError, ConnectionError) as error:
            log.info("lease %s was not given back: %s", self._key, error)

    async def _write(self, version: str, spec: Object) -> None:
        patch: dict[str, Any] = {"metadata": {"resourceVersion": version}, "spec": spec}
        await self._client.patch(kinds.LEASE, self._key, patch)


async def _await(work: Callable[[], Awaitable[None]]) -> None:
    await work()
