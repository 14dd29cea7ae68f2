"""Asks the runtime about one pod, and remembers what can no longer change."""

from __future__ import annotations

import asyncio

import msgspec

from longboat.api.families import primary_first
from longboat.node.cri.interface import Container, ContainerStatus, Runtime, RuntimeFailure, Sandbox, SandboxNetwork
from longboat.node.state import Observed


class Observer:
    """One per agent. `node_ip` is the node's primary address: pods' own of that family come first (KEP-563)."""

    def __init__(self, runtime: Runtime, node_ip: str = "") -> None:
        self._runtime, self._node_ip = runtime, node_ip
        self._ended: dict[str, ContainerStatus] = {}
        self.owners: dict[str, str] = {}  # pod uid by id of container or sandbox

    async def observe(self, uid: str, before: Observed) -> Observed:
        """What has gone since `before` is forgotten. Raises RuntimeFailure."""
        sandboxes, containers = await asyncio.gather(self._runtime.sandboxes(uid), self._runtime.containers(uid))
        there = {*(sandbox.id for sandbox in sandboxes), *(container.id for container in containers)}
        for id in _ids(before):
            if id not in there:
                self._forget(id)
        return await self.detail(sandboxes, containers)

    async def detail(self, sandboxes: list[Sandbox], containers: list[Container]) -> Observed:
        """From listings to everything known. What vanishes meanwhile is left out."""
        self.owners |= {s.id: s.uid for s in sandboxes} | {c.id: c.uid for c in containers}
        sandboxes = sorted(sandboxes, key=lambda s: (s.attempt, s.created), reverse=True)
        containers = sorted(containers, key=lambda c: (c.created, c.attempt), reverse=True)
        network, statuses = await asyncio.gather(
            self._network(sandboxes), asyncio.gather(*(self._status(container) for container in containers))
        )
        return Observed(
            sandboxes=tuple(sandboxes),
            containers=tuple(status for status in statuses if status is not None),
            network=network or SandboxNetwork(),
        )

    async def with_sandbox(self, before: Observed, id: str, uid: str, attempt: int, now: float) -> Observed:
        """What is known, and the sandbox just made: no listing is needed for it. Raises RuntimeFailure."""
        self.owners[id] = uid
        made = Sandbox(id=id, uid=uid, name="", namespace="", attempt=attempt, ready=True, created=now)
        network = await self._in_order(id)
        return Observed(sandboxes=(made, *before.sandboxes), containers=before.containers, network=network)

    async def with_container(self, before: Observed, id: str, uid: str, sandbox: str) -> Observed:
        """The same for a container just started. Raises RuntimeFailure."""
        self.owners[id] = uid
        found = msgspec.structs.replace(await self._runtime.container_status(id), sandbox=sandbox)
        if found.state == "exited":
            self._ended[id] = found
        return msgspec.structs.replace(before, containers=(found, *before.containers))

    def forget(self, observed: Observed) -> None:
        """All of this has gone for good."""
        for id in _ids(observed):
            self._forget(id)

    def _forget(self, id: str) -> None:
        self._ended.pop(id, None)
        self.owners.pop(id, None)

    async def _network(self, sandboxes: list[Sandbox]) -> SandboxNetwork | None:
        if not sandboxes:
            return None
        try:
            return await self._in_order(sandboxes[0].id)
        except RuntimeFailure as failure:
            if failure.absent:
                return None
            raise

    async def _in_order(self, sandbox: str) -> SandboxNetwork:
        """Whatever order the runtime has."""
        found = await self._runtime.sandbox_network(sandbox)
        if len(found.ips) < 2:
            return found
        return msgspec.structs.replace(found, ips=primary_first(found.ips, self._node_ip))

    async def _status(self, container: Container) -> ContainerStatus | None:
        if known := self._ended.get(container.id):
            return known
        try:
            found = await self._runtime.container_status(container.id)
        except RuntimeFailure as failure:
            if failure.absent:
                return None
            raise
        status = msgspec.structs.replace(found, sandbox=container.sandbox)
        if status.state == "exited":
            self._ended[container.id] = status
        return status


def _ids(observed: Observed) -> list[str]:
    return [*(container.id for container in observed.containers), *(sandbox.id for sandbox in observed.sandboxes)]
