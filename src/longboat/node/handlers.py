"""What the agent has done inside containers beside the CRI's calls: their probes and hooks; and what they have said."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from longboat.aio.clock import Clock
from longboat.node import hooks, probe_once
from longboat.node.cri.interface import Runtime
from longboat.node.probe_once import Outcome
from longboat.node.views.container import Container
from longboat.node.views.handlers import LifecycleHandler, Probe


@runtime_checkable
class Handlers(Protocol):
    """`id` is the container's, `host` the address at which its pod is asked."""

    async def probe(self, kind: str, probe: Probe, container: Container, id: str, host: str) -> Outcome:
        """One attempt at a probe (startup, readiness, liveness), within its timeout. Never raises."""
        ...

    async def hook(self, handler: LifecycleHandler, container: Container, id: str, host: str, limit: float) -> None:
        """Carry out a hook within `limit` seconds (0: no limit). Raises HookFailure."""
        ...

    def log(self, id: str) -> bytes:
        """What a container that has no log file has said so far, in such a file's format."""
        ...


class ThroughRuntime:
    """By commands inside real containers, and over the network."""

    def __init__(self, runtime: Runtime, clock: Clock) -> None:
        self._runtime, self._clock = runtime, clock

    async def probe(self, kind: str, probe: Probe, container: Container, id: str, host: str) -> Outcome:
        return await probe_once.attempt(self._runtime, self._clock, probe, container, id, host)

    async def hook(self, handler: LifecycleHandler, container: Container, id: str, host: str, limit: float) -> None:
        await hooks.run(self._runtime, self._clock, handler, container, id, host, limit)

    def log(self, id: str) -> bytes:
        return b""


def of(runtime: Runtime, clock: Clock) -> Handlers:
    """A runtime that only imagines containers answers for them itself."""
    return runtime if isinstance(runtime, Handlers) else ThroughRuntime(runtime, clock)
