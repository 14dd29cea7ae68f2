"""A real agent whose parts fail: it goes on, starts them again, and says so. Its runtime only remembers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from longboat.aio.parts import LONGEST, Parts
from longboat.assembly.node import kept as node_kept
from longboat.assembly.node.kept import AgentPart
from longboat.client.events import EventRecorder
from longboat.client.informer import Informers
from longboat.machinery.objects import Object
from longboat.node.agent import Agent, NodeConfig
from longboat.node.cri.interface import Image, Version
from longboat.node.cri.memory import MemoryRuntime
from longboat.node.paths import Paths
from longboat.node.recorder import ApiRecorder
from longboat.node.serve.shared import SharedPort
from longboat.testing.cluster import Cluster
from suites.objects import container, pod


class Odd(MemoryRuntime):
    """Answers so many questions with what nobody expects."""

    starts = looks = 0

    async def version(self) -> Version:
        if self.starts:
            self.starts -= 1
            raise ValueError("odd")
        return await super().version()

    async def images(self) -> list[Image]:
        if self.looks:
            self.looks -= 1
            raise UnicodeDecodeError("utf-8", b"s3cret", 0, 1, "odd")
        return await super().images()


Test = Callable[[Cluster, Odd, Parts], Awaitable[None]]


def with_a_node(starts: int = 0, looks: int = 0) -> Callable[[Test], Callable[[Path], None]]:
    def wrap(test: Test) -> Callable[[Path], None]:
        def run(tmp_path: Path) -> None:
            async def main() -> None:
                async with Cluster() as cluster:
                    runtime = Odd(cluster.clock)
                    runtime.starts, runtime.looks = starts, looks
                    parts = start(cluster, runtime, tmp_path)
                    try:
                        await test(cluster, runtime, parts)
                    finally:
                        await parts.close()
                        await runtime.close()

            asyncio.run(main())

        run.__name__ = test.__name__
        return run

    return wrap


def start(cluster: Cluster, runtime: Odd, folder: Path) -> Parts:
    client, clock = cluster.client, cluster.clock
    recorder = ApiRecorder(EventRecorder(client, clock, "kubelet", "n"), "n", clock)
    parts = node_kept.kept("node n", clock, recorder)
    config = NodeConfig(
        name="n", addresses=("192.0.2.1",), paths=Paths(folder / "k", folder / "p", folder / "c"), simulated=True
    )

    def make(informers: Informers) -> Agent:
        return Agent(client, informers, clock, runtime, recorder, config, shared_port=SharedPort(), parts=parts)

    parts.start("agent", AgentPart(client, clock, "node", make).run)
    return parts


async def is_ready(cluster: Cluster) -> bool:
    conditions = (await cluster.get("node/n"))["status"]["conditions"]
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


async def told(cluster: Cluster) -> list[Object]:
    return [e for e in await cluster.list("events") if e["reason"] == "PartFailed"]


SLEEPING = pod("p", container(command=["sleep", "100000"]), automountServiceAccountToken=False)


@with_a_node(looks=2)
async def test_a_part_that_fails_is_started_again_and_told_of(cluster: Cluster, runtime: Odd, parts: Parts) -> None:
    await cluster.clock.advance(30)
    assert await is_ready(cluster) and runtime.looks == 0
    assert {name: count for name, count in parts.restarts.items() if count} == {"report": 2}
    (event,) = await told(cluster)
    assert (event["type"], event["count"]) == ("Warning", 2)
    assert (event["involvedObject"]["kind"], event["involvedObject"]["name"]) == ("Node", "n")
    assert event["message"] == "Part 'report' of the node's agent failed with UnicodeDecodeError, and is started again"
    assert 'longboat_part_restarts_total{part="report"} 2' in node_kept.metrics(parts)
    assert 'longboat_part_restarts_total{part="lease"} 0' in node_kept.metrics(parts)
    await cluster.apply(SLEEPING)
    await cluster.clock.advance(5)
    assert (await cluster.get("pod/p"))["status"]["phase"] == "Running"


@with_a_node(starts=3)
async def test_an_agent_that_fails_is_made_anew(cluster: Cluster, runtime: Odd, parts: Parts) -> None:
    await cluster.clock.advance(LONGEST)
    assert await is_ready(cluster)
    assert {name: count for name, count in parts.restarts.items() if count} == {"agent": 3}
    await cluster.apply(SLEEPING)
    await cluster.clock.advance(5)
    assert (await cluster.get("pod/p"))["status"]["phase"] == "Running"
    assert len(await runtime.containers()) == 1
