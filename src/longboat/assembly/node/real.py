"""A real node wired together: the agent on a container runtime, and the network of Services and pods."""

from __future__ import annotations

import asyncio
from functools import partial

from longboat.aio.clock import Clock
from longboat.aio.parts import Part
from longboat.apiserver.health import GIT_VERSION as VERSION
from longboat.assembly.node import kept
from longboat.assembly.node.identity import Identity, network_identity
from longboat.assembly.node.kept import AgentPart, Node
from longboat.assembly.node.network import Network, dns_addresses, prepare
from longboat.assembly.node.own_containerd import OwnContainerd
from longboat.assembly.node.resolv import resolv_conf
from longboat.assembly.node.settings import Settings
from longboat.client import figures
from longboat.client.events import EventRecorder
from longboat.client.informer import Informers
from longboat.client.rest import RestClient
from longboat.machinery.exposition import text
from longboat.node import certificates
from longboat.node.agent import Agent, NodeConfig
from longboat.node.cri.grpc import GrpcRuntime
from longboat.node.paths import Paths
from longboat.node.recorder import ApiRecorder
from longboat.node.views.objects import Node as NodeView


async def real_node(settings: Settings, client: RestClient, clock: Clock, identity: Identity) -> Node:
    """Its parts, none of them started but its containerd. Raises OSError, Failure."""
    as_network = await network_identity(identity, clock)
    on_link = await prepare(settings)
    network = Network(settings, as_network, clock, on_link)
    config = await _config(settings)
    endpoint, containerd = await _runtime(settings, clock)
    runtime = GrpcRuntime(endpoint)
    events = EventRecorder(client, clock, "kubelet", settings.name)
    recorder = ApiRecorder(events, settings.name, clock, lambda: agent.is_busy)
    parts = kept.kept(f"node {settings.name}", clock, recorder)

    def metrics() -> str:
        both = {"kubelet": agent.informers, "network": network.informers}
        of_informers = figures.of_informers({name: informers for name, informers in both.items() if informers})
        return kept.metrics(parts) + text(of_informers) + network.metrics()

    def seen(node: NodeView) -> None:
        if moment := certificates.not_before(node.metadata.annotations):
            for renewal in renewals.values():
                renewal.renew_before(moment)

    def make(informers: Informers) -> Agent:
        return Agent(
            client, informers, clock, runtime, recorder, config, network.publish, metrics, parts=parts,
            isolate=network.isolate, seen=seen,
        )  # fmt: skip

    async def close() -> None:
        await events.close()
        await runtime.close()

    agent = AgentPart(client, clock, "node", make)
    renewals = _renewals(agent, clock, identity, as_network, config)
    certificate_parts = (Part(f"{what} certificate", renewal.run) for what, renewal in renewals.items())
    return Node(parts, (*containerd, Part("agent", agent.run, close), *certificate_parts, *network.parts))


async def _config(settings: Settings) -> NodeConfig:
    return NodeConfig(
        name=settings.name,
        addresses=settings.addresses,
        # By which the kernel lists what is mounted there.
        paths=Paths(await asyncio.to_thread(settings.root_dir.resolve)),
        cgroup_root=settings.cgroup_root,
        port=settings.port,
        pki=settings.data_dir / "pki",
        images=settings.data_dir / "volumes",
        # As kubeadm has it, pods are told of the primary family's: a resolver asks the next one only after a while.
        cluster_dns=settings.cluster_dns or dns_addresses(settings)[:1],
        cluster_domain=settings.cluster_domain,
        resolv_conf=resolv_conf(settings.resolv_conf),
        unsafe_sysctls=settings.unsafe_sysctls,
        seccomp_default=settings.seccomp_default,
        pod_max_pids=settings.pod_max_pids,
        upkeep=settings.rules,
        version=VERSION,
    )


async def _runtime(settings: Settings, clock: Clock) -> tuple[str, list[Part]]:
    """The runtime's endpoint, and the containerd of our own where it is ours: it answers. Raises Failure."""
    if settings.runtime:
        return settings.runtime, []
    own = OwnContainerd(settings.data_dir, clock)
    await own.start()
    return own.endpoint, [Part("containerd", own.run, own.stop)]


def _renewals(
    agent: AgentPart, clock: Clock, identity: Identity, network: Identity, config: NodeConfig
) -> dict[str, certificates.Renewal]:  # fmt: skip
    """What keeps the node's certificates in time."""
    pki, transport = config.pki, identity.transport
    serving = certificates.serving_renewal(
        transport, clock, config.name, config.addresses,
        partial(certificates.serving_life, pki / "serving.crt", pki / "ca.crt"), agent.use_serving,
    )  # fmt: skip
    client = certificates.client_renewal(transport, clock, config.name, identity.held, identity.use)
    other = certificates.network_renewal(transport, clock, config.name, network.held, network.use)
    return {"client": client, "network": other, "serving": serving}
