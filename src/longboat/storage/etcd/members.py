"""The members of an etcd as one thing to ask: whichever answers."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import grpc
import grpc.aio

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.storage.etcd import problems
from longboat.storage.etcd.address import Address
from longboat.storage.etcd.member import Member, Unsuitable
from longboat.storage.interface import StorageError

log = logging.getLogger(__name__)

PATIENCE = 5.0  # seconds a request waits for a member that can be used
READ = 2.0  # seconds a member may take to answer before another one is asked
LISTING = 10.0  # seconds for an answer that may be large
WRITE = 10.0  # seconds until the outcome of a write is given up, as long as the member is alive
QUIET = 1.0  # seconds without an answer to anything after which a member is asked whether it is alive
AGAIN = 0.1  # seconds between rounds among members none of which can be used


class Members:
    """Asks one member until it goes silent, then the next that answers."""

    def __init__(self, address: Address, clock: Clock) -> None:
        self.address = address
        self._clock = clock
        self._members = [Member(endpoint, address) for endpoint in address.endpoints]
        self._at = 0
        self._cluster_id = 0
        self._tasks = Tasks("etcd")
        self._search: asyncio.Task[Member | StorageError] | None = None
        self._closed = False
        self._asked = self._answered = 0
        self._listening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """See that all that answer belong together, and that most of them are there. Raises StorageError."""
        whys = await asyncio.gather(*(member.connect() for member in self._members))
        for member, why in zip(self._members, whys, strict=True):
            if why:
                log.warning("etcd at %s cannot be used now: %s", member.endpoint, why)
            else:
                self._recognize(member)
            for alarm in member.alarms:
                log.error("etcd at %s says: %s", member.endpoint, alarm)
        if all(whys):
            raise StorageError(self._nowhere(dict(zip(self.address.endpoints, whys, strict=True))))
        self._at = next(at for at, why in enumerate(whys) if not why)

    async def ready(self) -> Member:
        """A member that can be used. Raises StorageError if there is none for some time."""
        if self._closed:
            raise StorageError("the storage has been closed")
        member = self._members[self._at]
        if member.usable:
            return member
        if self._search is None:
            self._search = self._tasks.spawn("search", self._find())
        try:
            found = await asyncio.shield(self._search)
        except asyncio.CancelledError:
            if self._closed:
                raise StorageError("the storage has been closed") from None
            raise
        if isinstance(found, StorageError):
            raise StorageError(str(found))
        return found

    def distrust(self, member: Member, why: str) -> None:
        """It went silent: go on with another one, its watches too."""
        if member is self._members[self._at] and len(self._members) > 1:
            self._at = (self._at + 1) % len(self._members)
        if not self._closed:
            log.warning("etcd at %s: %s", member.endpoint, why)
        member.distrust()

    async def read(self, service: str, name: str, request: Any, *, timeout: float = READ) -> Any:
        """Ask until some member answers: the question may be put twice.

        Raises StorageError; grpc.aio.AioRpcError for an answer that is a refusal.
        """
        until = self._clock.monotonic() + max(PATIENCE, timeout)
        while True:
            member = await self.ready()
            try:
                return await self._call(member, service, name, request, timeout)
            except grpc.aio.AioRpcError as error:
                if not problems.elsewhere(error):
                    raise
                self.distrust(member, problems.explain(error))
                if self._closed or self._clock.monotonic() > until:
                    raise StorageError(f"{self.address}: {problems.explain(error)}") from None

    async def write(self, service: str, name: str, request: Any) -> Any:
        """Ask once; again only where it is certain that nothing was done.

        Raises StorageError; grpc.aio.AioRpcError for an answer that is a refusal.
        """
        until = self._clock.monotonic() + PATIENCE
        while True:
            member = await self.ready()
            try:
                return await self._call(member, service, name, request, WRITE)
            except grpc.aio.AioRpcError as error:
                if not problems.elsewhere(error):
                    raise
                why = problems.explain(error)
                self.distrust(member, why)
                if not problems.untouched(error):
                    raise StorageError(
                        f"etcd at {member.endpoint} went away during the write, whose outcome is unknown: {why}"
                    ) from None
                if self._closed or self._clock.monotonic() > until:
                    raise StorageError(f"{self.address}: {why}") from None

    async def close(self) -> None:
        self._closed = True
        await self._tasks.close()
        for member in self._members:
            member.distrust()
            await member.close()

    async def _call(self, member: Member, service: str, name: str, request: Any, timeout: float) -> Any:
        self._asked += 1
        if self._listening is None:
            self._listening = self._tasks.spawn("listen", self._listen())
        try:
            answer = await member.call(service, name, request, timeout)
            member.term = answer.header.raft_term
            return answer
        finally:
            self._answered += 1

    async def _listen(self) -> None:
        """While something is being asked: an answer that cannot come is known long before a write's time is up."""
        try:
            while self._asked > self._answered:
                answered, member = self._answered, self._members[self._at]
                await self._clock.sleep(QUIET)
                quiet = self._asked > self._answered == answered and member is self._members[self._at]
                if quiet and (why := await self._lost(member)):
                    self.distrust(member, why)
                    await member.close()
        finally:
            self._listening = None

    async def _lost(self, member: Member) -> str:
        """Why what it was asked will not be answered, or nothing: it may only be slow."""
        term = member.term
        why = await self._why_not(member)
        if not why and member.term != term:
            why = "there is a new leader since, and what had been proposed to the one before is lost"
        return why

    async def _find(self) -> Member | StorageError:
        try:
            began = self._clock.monotonic()
            while True:
                whys = {}
                for step in range(len(self._members)):
                    at = (self._at + step) % len(self._members)
                    member = self._members[at]
                    why = await self._why_not(member)
                    if not why:
                        self._at = at
                        log.info("connected to etcd at %s", member.endpoint)
                        return member
                    whys[member.endpoint] = why
                if self._clock.monotonic() - began > PATIENCE:
                    return StorageError(self._nowhere(whys))
                await self._clock.sleep(AGAIN)
        finally:
            self._search = None

    async def _why_not(self, member: Member) -> str:
        try:
            why = await member.connect()
            if not why:
                self._recognize(member)
        except Unsuitable as unsuitable:
            return str(unsuitable)
        return why

    def _recognize(self, member: Member) -> None:
        """Raises Unsuitable for a member of another etcd: what one acknowledges, the other would not know."""
        self._cluster_id = self._cluster_id or member.cluster_id
        if member.cluster_id != self._cluster_id:
            member.distrust()
            raise Unsuitable(f"etcd at {member.endpoint} belongs to another cluster than the others that were named")

    def _nowhere(self, whys: dict[str, str]) -> str:
        told = "; ".join(f"{endpoint}: {why}" for endpoint, why in whys.items())
        return f"no member of {self.address} can be used ({told})"
