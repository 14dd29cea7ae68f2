"""What a node consists of, wired together: the agent, the Service proxy and the pod network."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from longboat.aio import collector
from longboat.aio.clock import Clock
from longboat.aio.parts import Parts, Run
from longboat.api.families import DNS_INDEX, split
from longboat.apiserver.health import GIT_VERSION as VERSION
from longboat.apiserver.pki import Pair
from longboat.assembly.following import Following
from longboat.assembly.node import kept as node_kept
from longboat.assembly.node.kept import AgentPart
from longboat.cli import node_upkeep
from longboat.cli.cluster import INGRESS
from longboat.cli.errors import Failure
from longboat.client.events import EventRecorder
from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.client.rest import RestClient
from longboat.network.families import family, ranges_by_family
from longboat.node import certificates, sysctls
from longboat.node.agent import Agent, NodeConfig, serving_context
from longboat.node.make.dns import parse_resolv_conf
from longboat.node.paths import Paths
from longboat.node.recorder import ApiRecorder, Recorder

if TYPE_CHECKING:
    from longboat.cli.agent_options import Options
    from longboat.cli.join import Identity
    from longboat.network.dns.cluster_dns import ClusterDNS
    from longboat.network.ingress.gateway import Gateway
    from longboat.node.cri.interface import Runtime
    from longboat.node.host_ports import HostPort
    from longboat.node.serve.shared import SharedPort
    from longboat.node.views.objects import Node
    from longboat.node.views.pod import Pod

SIMULATED = "simulated-{}"
ETC, BEHIND_STUB = Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")


async def real_node(
    options: Options, client: RestClient, clock: Clock, identity: Identity, addresses: tuple[str, ...]
) -> None:  # fmt: skip
    """Until cancelled. `addresses` are the node's, the primary first. Raises OSError, Failure."""
    from longboat.assembly.node.own_containerd import OwnContainerd
    from longboat.cli import join
    from longboat.network.loadbalancer.announcer import Announcer
    from longboat.network.loadbalancer.kernel import holder
    from longboat.network.nftables import Nftables
    from longboat.network.overlay import host
    from longboat.network.overlay.overlay import Overlay
    from longboat.network.policy.enforcer import Enforcer
    from longboat.network.proxy import health_checks, rules
    from longboat.network.proxy.proxy import Proxy
    from longboat.node.cri.grpc import GrpcRuntime

    name, place = options.node_name or socket.gethostname().lower(), Path(options.data_dir)
    root = await asyncio.to_thread(Path(options.root_dir).resolve)  # by which the kernel lists what is mounted there
    events = EventRecorder(client, clock, "kubelet", name)
    network_identity = await join.network(options, identity, clock)
    network_client = RestClient(network_identity.transport, clock)
    network = Informers(network_client, clock, "network")
    dns_servers = tuple(options.cluster_dns) or _dns_addresses(options.service_cidr)
    dns = _cluster_dns(options, network, clock, dns_servers) if options.serve_dns else None
    own_services = [(server, 53) for server in dns_servers] if dns else []
    enforcer = Enforcer(network, clock, name, Nftables().run, ranges_by_family(options.pod_cidr))
    proxy_events = EventRecorder(network_client, clock, "kube-proxy", name)
    proxy = Proxy(
        network, clock, name, options.pod_cidr, Nftables().run, options.service_cidr, own_services, addresses,
        _reserved(options), tell=lambda service, text: proxy_events.event(service, "Warning", "PortInUse", text),
    )  # fmt: skip
    on_link = options.node_cidr or ",".join([await asyncio.to_thread(_range_of, each) for each in addresses])
    overlay = Overlay(
        network, clock, node=name, address=addresses[0], on_link=on_link,
        conf_dir=place / "cni" / "net.d", state_dir=Path("/var/lib/cni/networks"),
    )  # fmt: skip

    def publish(ports: list[HostPort]) -> None:
        proxy.set_host_ports(rules.HostPort(p.protocol, p.port, p.pod_ip, p.pod_port, p.host_ip) for p in ports)

    async def isolate(pod: Pod, sandbox: str) -> None:
        await enforcer.admit(Key(pod.metadata.namespace, pod.metadata.name), pod.metadata.labels, sandbox)

    config = NodeConfig(
        name=name,
        addresses=addresses,
        paths=Paths(root),
        cgroup_root=options.cgroup_root,
        port=options.port,
        pki=place / "pki",
        images=place / "volumes",
        # As kubeadm has it, pods are told of the primary family's: a resolver asks the next one only after a while.
        cluster_dns=tuple(options.cluster_dns) or dns_servers[:1],
        cluster_domain=options.cluster_domain,
        resolv_conf=_resolv_conf(options),
        unsafe_sysctls=_checked(options.allowed_unsafe_sysctls),
        seccomp_default=bool(options.seccomp_default),
        pod_max_pids=options.pod_max_pids or 0,
        upkeep=node_upkeep.rules(options),
        version=VERSION,
    )
    await asyncio.to_thread(host.prepare, addresses, options.pod_cidr, options.service_cidr)
    own_runtime = None if options.container_runtime_endpoint else OwnContainerd(place, clock)
    if own_runtime is not None:
        await own_runtime.start()
    runtime = GrpcRuntime(own_runtime.endpoint if own_runtime else options.container_runtime_endpoint)
    recorder = ApiRecorder(events, name, clock, lambda: agent.is_busy)
    parts = node_kept.kept(f"node {name}", clock, recorder)

    def metrics() -> str:
        return node_kept.metrics(parts) + (dns.metrics() if dns else "")

    def seen(node: Node) -> None:
        if moment := certificates.not_before(node.metadata.annotations):
            for renewal in renewals.values():
                renewal.renew_before(moment)

    agent = AgentPart(
        client, clock, "node",
        lambda informers: Agent(
            client, informers, clock, runtime, recorder, config, publish, metrics, parts=parts, isolate=isolate,
            seen=seen,
        ),
    )  # fmt: skip
    renewals = _renewals(agent, clock, identity, network_identity, config)
    runs: dict[str, Run] = {
        "agent": agent.run, "proxy": proxy.run, "overlay": overlay.run, "policies": enforcer.run,
        **{f"{what} certificate": renewal.run for what, renewal in renewals.items()},
    }  # fmt: skip
    runs["load balancers"] = Announcer(network, clock, name, holder(addresses)).run
    network_events = EventRecorder(network_client, clock, "longboat-ingress", name)
    runs["health checks"] = health_checks.HealthChecks(
        network, clock, name, proxy.health, proxy_events, health_checks.HEALTHZ
    ).run
    if options.ingress_http_port or options.ingress_https_port:
        has_ipv6 = any(":" in each for each in addresses)
        runs["ingress"] = _gateway(options, network, clock, name, network_events, has_ipv6).run
    if own_runtime is not None:
        runs["containerd"] = own_runtime.run
    if dns is not None:
        runs["dns"] = dns.run
    try:
        await _together(network, [(parts, runs)])
    finally:
        await events.close()
        await network_events.close()
        await proxy_events.close()
        await runtime.close()
        await network_identity.transport.close()
        if own_runtime is not None:
            await own_runtime.stop()


def _reserved(options: Options) -> list[int]:
    """TCP ports that the node's own parts listen at, though they may not yet."""
    from longboat.network.ingress.haproxy import Haproxy
    from longboat.network.proxy.health_checks import HEALTHZ

    ingress = (options.ingress_http_port, options.ingress_https_port) if Haproxy.is_installed() else ()
    return [options.port, HEALTHZ, *filter(None, ingress)]


def _checked(patterns: list[str]) -> tuple[str, ...]:
    """Raises Failure."""
    try:
        return tuple(sysctls.check(pattern) for pattern in patterns)
    except ValueError as error:
        raise Failure(f"--allowed-unsafe-sysctls: {error}") from error


def _renewals(
    agent: AgentPart, clock: Clock, identity: Identity, network: Identity, config: NodeConfig
) -> dict[str, certificates.Renewal]:  # fmt: skip
    """What keeps the node's certificates in time."""
    pki, transport = config.pki, identity.transport
    serving = certificates.serving_renewal(
        transport, clock, config.name, config.addresses,
        lambda: certificates.serving_life(pki / "serving.crt", pki / "ca.crt"), agent.use_serving,
    )  # fmt: skip
    client = certificates.client_renewal(transport, clock, config.name, identity.held, identity.use)
    other = certificates.network_renewal(transport, clock, config.name, network.held, network.use)
    return {"client": client, "network": other, "serving": serving}


async def simulated_nodes(options: Options, client: RestClient, clock: Clock, identity: Identity) -> None:
    """As many nodes as `--simulated` says, each the same agent on a runtime that only remembers; all at one port.

    Raises OSError where that cannot be opened.
    """
    from longboat.node.cri.memory import MemoryRuntime
    from longboat.node.serve.http import Server
    from longboat.node.serve.shared import SharedPort

    informers, events = Informers(client, clock, "simulated"), EventRecorder(client, clock, "kubelet", "simulated")
    ranges = ipaddress.ip_network("100.64.0.0/10").subnets(new_prefix=24)
    kept: list[tuple[Parts, dict[str, Run]]] = []
    shared, pki = SharedPort(), Path(options.data_dir) / "pki"
    context = await serving_context(pki, "simulated", clock)
    server = Server(shared, context, clock)
    shared.number = await server.listen("127.0.0.1", options.port)
    following = Following(clock)
    following.file(identity.kubeconfig, identity.taken)

    async def serve_anew() -> None:
        context.load_cert_chain(pki / "serving.crt", pki / "serving.key")

    following.pair(Pair(pki / "serving.crt", pki / "serving.key"), serve_anew)
    own = Parts("simulated nodes", clock)
    for number, pods in zip(range(1, options.simulated + 1), ranges, strict=False):
        name = SIMULATED.format(number)
        config = NodeConfig(
            name=name, addresses=("127.0.0.1",), pki=pki,
            paths=Paths(*(Path(options.data_dir) / name / part for part in ("kubelet", "pods", "containers"))),
            version=VERSION, simulated=True,
        )  # fmt: skip
        recorder = ApiRecorder(events, name, clock)
        runtime = MemoryRuntime(clock, str(pods))
        parts = node_kept.kept(f"node {name}", clock, recorder)
        make = partial(_simulated, client, clock, runtime, recorder, config, shared, parts)
        kept.append((parts, {"agent": AgentPart(client, clock, name, make, informers).run}))
    kept.append((own, {"certificates": following.run}))
    try:
        await _together(informers, kept)
    finally:
        await server.close()
        await events.close()


def _simulated(
    client: RestClient, clock: Clock, runtime: Runtime, recorder: Recorder, config: NodeConfig, shared: SharedPort,
    parts: Parts, informers: Informers,
) -> Agent:  # fmt: skip
    """One simulated node, made for one start."""
    metrics = partial(node_kept.metrics, parts)
    return Agent(
        client, informers, clock, runtime, recorder, config, more_metrics=metrics, shared_port=shared, parts=parts
    )


async def _together(informers: Informers, kept: Iterable[tuple[Parts, Mapping[str, Run]]]) -> None:
    """Keep all parts at work, until cancelled."""
    collector.settled()
    listed = list(kept)
    for parts, runs in listed:
        for name, run in runs.items():
            parts.start(name, run)
    informers.start()
    try:
        await asyncio.Event().wait()
    finally:
        for parts, _ in listed:
            await parts.close()
        await informers.close()


def _dns_addresses(service_cidr: str) -> tuple[str, ...]:
    """Where the cluster's DNS is in each range of Services' addresses."""
    networks = map(ipaddress.ip_network, split(service_cidr))
    return tuple(str(each[DNS_INDEX]) for each in networks if each.num_addresses > DNS_INDEX)


def _cluster_dns(options: Options, informers: Informers, clock: Clock, addresses: tuple[str, ...]) -> ClusterDNS:
    from longboat.network.dns import address
    from longboat.network.dns.cluster_dns import ClusterDNS

    return ClusterDNS(
        informers, clock, domain=options.cluster_domain, addresses=addresses,
        forward_to=lambda: _name_servers(_resolv_conf(options)),
        ranges=(*split(options.service_cidr), *split(options.pod_cidr)), claim=address.claim, release=address.release,
    )  # fmt: skip


def _gateway(
    options: Options, informers: Informers, clock: Clock, node: str, events: EventRecorder, has_ipv6: bool
) -> Gateway:  # fmt: skip
    from longboat.network.ingress.config import Settings
    from longboat.network.ingress.gateway import Gateway
    from longboat.network.ingress.haproxy import account

    INGRESS.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = Settings(INGRESS, options.ingress_http_port, options.ingress_https_port, has_ipv6, *account())
    return Gateway(informers, clock, node, settings, events)


def _resolv_conf(options: Options) -> Path:
    """The one to go by. Where systemd-resolved's stub is the only server, what the stub asks: pods cannot reach it."""
    if options.resolv_conf:
        return Path(options.resolv_conf)
    if BEHIND_STUB.exists() and (not ETC.exists() or set(_name_servers(ETC)) <= {"127.0.0.53"}):
        return BEHIND_STUB
    return ETC


def _name_servers(resolv_conf: Path) -> tuple[str, ...]:
    """The servers that the machine asks. Raises OSError."""
    return parse_resolv_conf(resolv_conf.read_text()).servers


def _range_of(address: str) -> str:
    """The range of the network this address is on; only the address itself where no interface has it."""
    from longboat.network.netlink import IPRoute

    with IPRoute() as ip:
        for found in ip.get_addr(address=address):
            return str(ipaddress.ip_interface(f"{address}/{found['prefixlen']}").network)
    return f"{address}/{family(address).bits}"
