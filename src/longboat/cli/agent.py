"""`longboat agent`: a node in the foreground."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longboat.cli import flags
from longboat.cli.errors import Failure, Usage
from longboat.cli.flags import flag

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """Run a node: its pods, their volumes and probes, the Services' rules, the pod network."""

    kubeconfig: str = flag("", "how to reach the API, and as whom")
    node_name: str = flag("", "the node's name (default: the host name)")
    node_ip: str = flag("127.0.0.1", "the node's address")
    data_dir: str = flag("/var/lib/longboat/node", "where its state lies")
    container_runtime_endpoint: str = flag("unix:///run/containerd/containerd.sock", "the CRI socket")
    cgroup_root: str = flag("/", "cgroup above all pods")
    node_cidr: str = flag("", "range of the nodes' own network, reached without a gateway")
    pod_cidr: str = flag("10.244.0.0/16", "addresses of pods")
    service_cidr: str = flag("10.96.0.0/16", "addresses of Services")
    simulated: int = flag(0, "play so many nodes whose containers are only imagined")
    port: int = flag(10250, "the node's own port")
    log_level: str = flag("info", "debug, info, warning or error", choices=("debug", "info", "warning", "error"))


def run(argv: list[str]) -> int:
    options = flags.parse(Options, argv, prog="longboat agent")
    if not options.kubeconfig:
        raise Usage("longboat agent: --kubeconfig is required")
    logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(levelname).1s %(name)s: %(message)s")
    import uvloop

    return uvloop.run(_serve(options))


async def _serve(options: Options) -> int:
    from longboat.aio.clock import SystemClock
    from longboat.aio.tasks import Tasks
    from longboat.client.https import HttpsTransport
    from longboat.client.kubeconfig import BadKubeconfig, load
    from longboat.client.rest import RestClient

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    try:
        access = load(Path(options.kubeconfig))
    except (OSError, BadKubeconfig) as error:
        raise Failure(f"cannot use kubeconfig {options.kubeconfig}: {error}") from error
    clock = SystemClock()
    transport = HttpsTransport(access, f"longboat-agent/{options.node_name}")
    client = RestClient(transport, clock)
    try:
        async with Tasks("agent") as tasks:
            parts = _real(options, client, clock) if not options.simulated else _simulated(options, client, clock)
            running = [tasks.spawn(name, work) for name, work in parts]
            waiting = tasks.spawn("stop", stopping.wait())
            await asyncio.wait([*running, waiting], return_when=asyncio.FIRST_COMPLETED)
            return 0 if stopping.is_set() else 1  # a part has failed, and has been logged: start all anew
    finally:
        await transport.close()


def _real(options: Options, client: Any, clock: Any) -> list[tuple[str, Any]]:
    """The parts of a real node."""
    from longboat.apiserver.health import GIT_VERSION
    from longboat.network.nftables import Nftables
    from longboat.network.overlay.overlay import Overlay
    from longboat.network.proxy.proxy import Proxy
    from longboat.network.proxy.rules import HostPort
    from longboat.node.agent import Agent, Settings
    from longboat.node.cri.grpc import GrpcRuntime
    from longboat.node.machine import examine
    from longboat.node.make.config import NodeFacts
    from longboat.node.make.dns import Resolver, parse_resolv_conf
    from longboat.node.paths import Paths
    from longboat.node.registration import Identity

    place = Path(options.data_dir)
    name = options.node_name or os.uname().nodename
    machine = examine(place)
    paths = Paths()
    resolver = Resolver(node=parse_resolv_conf(Path("/etc/resolv.conf").read_text()))
    facts = NodeFacts(
        name=name, ips=(options.node_ip,), paths=paths, cgroup_root=options.cgroup_root, resolver=resolver,
        capacity=machine.amounts,
    )  # fmt: skip
    identity = Identity(name=name, address=options.node_ip, port=options.port, version=GIT_VERSION)
    settings = Settings(
        identity=identity, machine=machine, paths=paths, cgroup_root=options.cgroup_root, pki=place / "pki"
    )
    runtime = GrpcRuntime(options.container_runtime_endpoint)
    nft = Nftables()

    def host_ports_changed(ports: list[Any]) -> None:
        proxy.set_host_ports([HostPort(p.protocol, p.port, p.pod_ip, p.pod_port, p.host_ip) for p in ports])

    agent = Agent(client, clock, runtime, settings, facts, host_ports_changed=host_ports_changed)
    proxy = Proxy(agent.informers, clock, name, options.pod_cidr, nft.run)
    on_link = options.node_cidr or f"{options.node_ip}/24"
    overlay = Overlay(
        agent.informers, clock, node=name, on_link=on_link, conf_dir=place / "cni" / "net.d",
        state_dir=Path("/var/lib/cni"),
    )  # fmt: skip
    return [("node", agent.run()), ("proxy", proxy.run()), ("overlay", overlay.run())]


def _simulated(options: Options, client: Any, clock: Any) -> list[tuple[str, Any]]:
    """So many nodes, each the same agent on an in-memory runtime."""
    from longboat.apiserver.health import GIT_VERSION
    from longboat.node.agent import Agent, Settings
    from longboat.node.cri.memory import MemoryRuntime
    from longboat.node.machine import Machine
    from longboat.node.make.config import NodeFacts
    from longboat.node.paths import Paths
    from longboat.node.registration import Identity

    parts = []
    for number in range(1, options.simulated + 1):
        name = f"{options.node_name or 'simulated'}-{number}"
        machine = Machine(cpus=8, memory=32 << 30, disk=100 << 30, os_image="simulated", kernel="simulated")
        facts = NodeFacts(name=name, ips=("127.0.0.1",), paths=Paths(), capacity=machine.amounts)
        identity = Identity(name=name, address="127.0.0.1", port=options.port + number, version=GIT_VERSION)
        settings = Settings(
            identity=identity, machine=machine, paths=Paths(), on_disk=False, pki=Path(options.data_dir) / "pki",
            runtime_name="memory",
        )  # fmt: skip
        runtime = MemoryRuntime(clock, name)
        parts.append((name, Agent(client, clock, runtime, settings, facts).run()))
    return parts
