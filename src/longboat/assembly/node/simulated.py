"""Simulated nodes wired together: each the same agent on a runtime that only remembers; all at one port."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.aio.parts import Part, Parts
from longboat.apiserver.health import GIT_VERSION as VERSION
from longboat.apiserver.pki import Pair
from longboat.assembly.following import Following
from longboat.assembly.node import kept
from longboat.assembly.node.identity import Identity
from longboat.assembly.node.kept import AgentPart, Node
from longboat.client.events import EventRecorder
from longboat.client.informer import Informers
from longboat.client.rest import RestClient
from longboat.node.agent import Agent, NodeConfig, serving_context
from longboat.node.cri.memory import MemoryRuntime
from longboat.node.paths import Paths
from longboat.node.recorder import ApiRecorder
from longboat.node.serve.http import Server
from longboat.node.serve.shared import SharedPort

POD_RANGES = ipaddress.ip_network("100.64.0.0/10")


def names(count: int) -> Iterator[tuple[str, str]]:
    """So many nodes' names, each with the range of its pods' addresses."""
    ranges = POD_RANGES.subnets(new_prefix=24)
    return ((f"simulated-{number}", str(pods)) for number, pods in zip(range(1, count + 1), ranges, strict=False))


def config(name: str, address: str, place: Path, pki: Path = Path("pki")) -> NodeConfig:
    """`place` is for paths alone: nothing is written there."""
    paths = Paths(*(place / part for part in ("kubelet", "pods", "containers")))
    return NodeConfig(name=name, addresses=(address,), pki=pki, paths=paths, version=VERSION, simulated=True)


async def simulated_nodes(
    count: int, client: RestClient, clock: Clock, identity: Identity, data_dir: Path, port: int
) -> list[Node]:
    """The nodes, and what they have in common. Raises OSError where the port cannot be opened."""
    informers, events = Informers(client, clock, "simulated"), EventRecorder(client, clock, "kubelet", "simulated")
    pki = data_dir / "pki"
    context = await serving_context(pki, "simulated", clock)
    shared = SharedPort()
    server = Server(shared, context, clock)
    shared.number = await server.listen("127.0.0.1", port)

    async def serve_anew() -> None:
        context.load_cert_chain(pki / "serving.crt", pki / "serving.key")

    following = Following(clock)
    following.file(identity.kubeconfig, identity.taken)
    following.pair(Pair(pki / "serving.crt", pki / "serving.key"), serve_anew)

    def node(name: str, pods: str) -> Node:
        recorder = ApiRecorder(events, name, clock)
        parts = kept.kept(f"node {name}", clock, recorder)
        runtime, told = MemoryRuntime(clock, pods), config(name, "127.0.0.1", data_dir / name, pki)

        def make(informers: Informers) -> Agent:
            return Agent(
                client, informers, clock, runtime, recorder, told, more_metrics=partial(kept.metrics, parts),
                shared_port=shared, parts=parts,
            )  # fmt: skip

        return Node(parts, (Part("agent", AgentPart(client, clock, name, make, informers).run, runtime.close),))

    async def watch() -> None:
        informers.start()
        await asyncio.Event().wait()

    async def leave() -> None:
        await informers.close()
        await events.close()

    in_common = (Part("certificates", following.run, server.close), Part("watches", watch, leave))
    return [*(node(*each) for each in names(count)), Node(Parts("simulated nodes", clock), in_common)]
