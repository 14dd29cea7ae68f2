"""Nodes of the cluster inside one process: the real agent, on a runtime that only imagines containers."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import msgspec

from longboat.aio.tasks import Tasks
from longboat.api import kinds
from longboat.apiserver.request import Request, Response
from longboat.apiserver.streams import csi
from longboat.assembly.node.identity import USER_AGENT
from longboat.assembly.node.simulated import config, names
from longboat.client.events import EventRecorder
from longboat.client.informer import Informers
from longboat.client.rest import RestClient
from longboat.machinery.errors import not_found
from longboat.node.agent import Agent
from longboat.node.cri.memory import MemoryRuntime
from longboat.node.csi.errors import RpcFailure
from longboat.node.recorder import ApiRecorder
from longboat.node.serve.shared import SharedPort
from longboat.node.simulated.behaviour import Behaviour
from longboat.node.simulated.rules import Rules
from longboat.testing.cluster import Cluster

NOWHERE = Path("/nonexistent")  # agents of simulated nodes write nothing
ADDRESSES = ipaddress.ip_network("203.0.113.0/24")  # of nodes (RFC 5737): nothing ever goes there


class Nodes:
    """Nodes `simulated-1` and so on, as `longboat up --simulated-nodes` has them. Use it within a `Cluster`.

    async with Cluster() as cluster, Nodes(cluster, 2):
        ...
    """

    def __init__(self, cluster: Cluster, count: int = 1) -> None:
        self._cluster, self._count = cluster, count
        self._tasks = Tasks("simulated nodes")
        transport = cluster.api.transport("admin", "system:masters", agent=USER_AGENT)
        self._client = RestClient(transport, cluster.clock)
        self._informers = Informers(self._client, cluster.clock, "simulated")
        self._recorders = [EventRecorder(self._client, cluster.clock, "kubelet", "simulated")]
        self.runtimes: dict[str, MemoryRuntime] = {}
        self.agents: dict[str, Agent] = {}

    def use(self, *behaviours: Behaviour) -> None:
        """What containers on all of them do from now on, unless their pods say otherwise. Raises BadBehaviour.

        nodes.use(Behaviour(selector=Selector(matchLabels={"app": "web"}), stages=(Stage(delay="5s", exitCode=1),)))
        """
        rules = Rules(behaviours)
        for runtime in self.runtimes.values():
            runtime.use(rules)

    async def __aenter__(self) -> Nodes:
        cluster = self._cluster
        for number, (name, pods) in enumerate(names(self._count), 1):
            self.runtimes[name] = MemoryRuntime(cluster.clock, pods)
            self.agents[name] = self._agent(name, str(ADDRESSES[number]))
            self._tasks.spawn(name, self.agents[name].run())
        cluster.api.dispatcher.answers[kinds.NODE, "csi"] = self._call_driver
        self._informers.start()
        await cluster.clock.advance(1)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._tasks.close()
        await self._informers.close()
        for runtime in self.runtimes.values():
            await runtime.close()
        for recorder in self._recorders:
            await recorder.close()

    def _agent(self, name: str, address: str) -> Agent:
        cluster = self._cluster
        recorder = ApiRecorder(self._recorders[0], name, cluster.clock)
        return Agent(
            self._client, self._informers, cluster.clock, self.runtimes[name], recorder,
            config(name, address, NOWHERE),
            shared_port=SharedPort(),
        )  # fmt: skip

    async def _call_driver(self, request: Request) -> Response:
        """What the API server passes on to the node's port."""
        node, driver, rpc = csi.asked(request)
        if node not in self.agents:
            raise not_found(self._cluster.kind("node"), node)
        try:
            answer = await self.agents[node].call_driver(driver, rpc, await request.read_body(1 << 20))
        except RpcFailure as failure:
            body = msgspec.json.encode({"code": failure.code, "message": failure.message})
            return Response(failure.http_status, body)
        return Response(200, answer)
