"""What keeps a node's parts at work, and tells of those that fail: an Event on the Node, a line among its metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from longboat.aio import collector
from longboat.aio.clock import Clock
from longboat.aio.parts import Part, Parts
from longboat.client.informer import Informers
from longboat.client.rest import RestClient
from longboat.machinery.exposition import Family, Sample, text
from longboat.node.agent import Agent
from longboat.node.recorder import WARNING, Recorder

FAILED = "PartFailed"
RESTARTS = "longboat_part_restarts_total"


def kept(owner: str, clock: Clock, recorder: Recorder) -> Parts:
    """The text of an error may show what it was about, a Secret's bytes perhaps: it stays in the node's log."""

    def tell(part: str, error: Exception | None) -> None:
        what = f"failed with {type(error).__name__}" if error is not None else "ended"
        recorder.node(WARNING, FAILED, f"Part {part!r} of the node's agent {what}, and is started again")

    return Parts(owner, clock, tell)


def metrics(parts: Parts) -> str:
    """Prometheus's text format."""
    samples = [Sample(count, {"part": name}) for name, count in sorted(parts.restarts.items())]
    help = "Times that a part of the agent failed and was started again."
    return text([Family(RESTARTS, "counter", help, samples)])


@dataclass(frozen=True)
class Node:
    """What a node consists of, in the order in which it starts, and what keeps that at work and tells of it."""

    kept: Parts
    parts: Sequence[Part]


async def work(nodes: Sequence[Node]) -> None:
    """Keep all parts of these at work, until cancelled. Then all end, and are closed, the latest first."""
    collector.settled()
    for node in nodes:
        for part in node.parts:
            node.kept.start(part.name, part.run)
    try:
        await asyncio.Event().wait()
    finally:
        for node in nodes:
            await node.kept.close()
        for node in reversed(nodes):
            for part in reversed(node.parts):
                await part.close()


class AgentPart:
    """The agent, made anew for each start: what an earlier one has followed must not go on through its handlers.

    `shared` are informers for the first start that it has in common with others.
    """

    def __init__(
        self, client: RestClient, clock: Clock, owner: str, make: Callable[[Informers], Agent],
        shared: Informers | None = None,
    ) -> None:  # fmt: skip
        self._client, self._clock, self._owner, self._make = client, clock, owner, make
        self._shared: Informers | None = shared
        self.informers: Informers | None = None  # of this start
        self._agent: Agent | None = None

    @property
    def is_busy(self) -> bool:
        """Several pods are being started."""
        return self._agent is not None and self._agent.is_busy

    async def use_serving(self, certificate: bytes, key: bytes) -> None:
        """Serve with another certificate from now on. Raises OSError."""
        assert self._agent is not None  # it is started before whatever renews certificates
        await self._agent.use_serving(certificate, key)

    async def run(self) -> None:
        """Until cancelled."""
        shared, self._shared = self._shared, None
        if shared is not None:
            self.informers = shared
            self._agent = self._make(shared)
            await self._agent.run()
            return
        informers = self.informers = Informers(self._client, self._clock, self._owner)
        self._agent = self._make(informers)
        informers.start()
        try:
            await self._agent.run()
        finally:
            await informers.close()
