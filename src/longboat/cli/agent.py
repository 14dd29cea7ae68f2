"""`longboat agent`: one node, or many simulated ones, in the foreground."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from longboat.aio import processes
from longboat.api.families import split
from longboat.cli import collector, flags, join, node_defaults, node_upkeep, ranges, trust
from longboat.cli.errors import Failure, Usage
from longboat.cli.flags import duration, flag
from longboat.cli.join import KUBECONFIG
from longboat.cli.node_defaults import MAX_PIDS
from longboat.node.eviction.defaults import DEFAULT_HARD

log = logging.getLogger(__name__)
HARD = [f"{signal}<{value}" for signal, value in DEFAULT_HARD.items()]
THREADS = 24  # that wait for disks: giving a large volume to a group takes minutes, and must not be felt elsewhere


@dataclass(frozen=True)
class Options:
    """Run a node: the agent, and the network of Services and pods."""

    server: str = flag("", "URL of the API server of the cluster to join")
    token_file: str = flag("", "file with the token that `longboat token create` has printed there")
    kubeconfig: str = flag("", "where the API is, and who the node is there (default: what joining has left)")
    node_name: str = flag("", "name of the node (default: the host name)")
    node_ip: str = flag("", "its address, or two of different families (default: that which leads to the API)")
    data_dir: str = flag("/var/lib/longboat/node", "where its certificates are")
    container_runtime_endpoint: str = flag("", "socket of the container runtime (default: a containerd of its own)")
    root_dir: str = flag("/var/lib/kubelet", "where the files of pods are")
    cgroup_root: str = flag("/", "cgroup above those of all pods")
    node_cidr: str = flag("", "the nodes' own network, or networks (default: those which the addresses are on)")
    pod_cidr: str = flag("10.244.0.0/16", "addresses of all pods: a range, or two (IPv4,IPv6 or IPv6,IPv4)")
    service_cidr: str = flag("10.96.0.0/16", "addresses of Services, likewise")
    cluster_dns: list[str] = flag([], "addresses of the cluster's DNS (default: the tenth of the Services')")
    serve_dns: bool = flag(True, "answer names at these addresses (off where other servers do)")
    resolv_conf: str = flag("", "names the servers for names outside (default: the machine's, past a local stub)")
    cluster_domain: str = flag("cluster.local", "domain of the cluster")
    ingress_http_port: int = flag(80, "where Ingresses are served; 0 for nowhere")
    ingress_https_port: int = flag(443, "where those with a certificate are; 0 for nowhere")
    allowed_unsafe_sysctls: list[str] = flag(
        [], "kernel parameters (or net.core.*) that pods may set besides safe ones"
    )
    seccomp_default: bool | None = flag(
        None, "give containers that name no seccomp profile the runtime's (default: yes; nodes of old: as they were)"
    )
    pod_max_pids: int | None = flag(
        None, f"processes and threads of each pod; -1: no limit (default: {MAX_PIDS}; nodes of old: as they were)"
    )
    eviction_hard: list[str] = flag(
        HARD,
        f"what must be left, or pods are evicted at once; those given are all there are (default: {','.join(HARD)})",
    )
    eviction_soft: list[str] = flag(
        [], "what should be left (e.g. nodefs.available<20%): below it pods are evicted after its grace period"
    )
    eviction_soft_grace_period: list[str] = flag(
        [], "how long a soft threshold may be met (e.g. nodefs.available=1m30s)"
    )
    eviction_max_pod_grace_period: int = flag(
        0, "seconds a pod has to end at a soft threshold, at the most; negative: its own grace period"
    )
    eviction_minimum_reclaim: list[str] = flag(
        [], "how much more than the threshold has to be free until eviction stops (e.g. nodefs.available=500Mi)"
    )
    eviction_pressure_transition_period: float = flag(
        300.0, "seconds (or 5m) a pressure condition is still shown after it has gone", parse=duration
    )
    image_gc_high_threshold: int = flag(85, "percent of the images' disk in use from which on unused images go")
    image_gc_low_threshold: int = flag(80, "percent down to which they go")
    minimum_image_ttl_duration: float = flag(120.0, "seconds (or 2m) an unused image stays at least", parse=duration)
    neighbours_dir: str = flag("", "where nodes that share a machine agree on whose pods are evicted")
    port: int = flag(10250, "port the API server reaches the node at")
    simulated: int = flag(0, "play so many nodes, without containers")
    log_level: str = flag("info", "debug, info, warning or error", choices=("debug", "info", "warning", "error"))


def run(argv: list[str]) -> int:
    options = with_ranges(flags.parse(Options, argv, prog="longboat agent"))
    node_upkeep.rules(options)  # what is wrong in them shows before anything starts
    if not options.kubeconfig and not Path(options.data_dir, KUBECONFIG).exists() and not options.server:
        raise Usage("longboat agent needs --server and --token-file, or --kubeconfig", "see: longboat agent --help")
    for place in (options.data_dir, *(() if options.simulated else (options.root_dir,))):
        trust.check(Path(place).absolute())
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")  # children only exec: gRPC need not prepare for them
    logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(levelname).1s %(name)s: %(message)s")
    os.umask(0o022)  # not what the shell had: pods see the modes of what is made here
    processes.leave_no_core()
    if options.simulated or options.container_runtime_endpoint:
        processes.gain_nothing()
    import uvloop

    return uvloop.run(_serve(options))


def with_ranges(options: Options) -> Options:
    """Raises Usage."""
    return replace(
        options,
        node_ip=",".join(ranges.checked_addresses("--node-ip", options.node_ip)),
        node_cidr=options.node_cidr and ranges.checked("--node-cidr", options.node_cidr),
        pod_cidr=ranges.checked("--pod-cidr", options.pod_cidr),
        service_cidr=ranges.checked("--service-cidr", options.service_cidr),
    )


async def _serve(options: Options) -> int:
    from longboat.aio.clock import SystemClock
    from longboat.client.https import HttpsTransport
    from longboat.client.kubeconfig import BadKubeconfig, load
    from longboat.client.rest import RestClient

    clock = SystemClock()
    options = replace(options, node_name=options.node_name or socket.gethostname().lower())
    options = node_defaults.settled(options)
    kubeconfig = Path(options.kubeconfig) if options.kubeconfig else await join.kubeconfig(options, clock)
    try:
        access = load(kubeconfig)
    except (OSError, BadKubeconfig) as error:
        raise Failure(f"cannot read the kubeconfig: {error}") from error
    transport = HttpsTransport(access, "longboat-agent", clock)
    client = RestClient(transport, clock)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS, "blocking"))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    from longboat.cli.node_parts import real_node, simulated_nodes

    collector.hurry_less()
    identity = join.Identity(options.node_name, kubeconfig, access.server, transport)
    parts = simulated_nodes(options, client, clock, identity) if options.simulated else real_node(
        options, client, clock, identity, split(options.node_ip or await _own_address(access.server))
    )  # fmt: skip
    work = asyncio.create_task(parts, name="node")
    stop = asyncio.create_task(stopping.wait(), name="signals")
    try:
        await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await work
    except OSError as error:
        raise Failure(f"the node cannot run: {error}") from error
    finally:
        work.cancel()
        stop.cancel()
        await asyncio.gather(work, stop, return_exceptions=True)
        await transport.close()
    return 0


async def _own_address(server: str) -> str:
    """The address from which this machine reaches the API."""
    from urllib.parse import urlsplit

    parts = urlsplit(server)
    found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_DGRAM)
    family, kind, _, _, address = found[0]
    with socket.socket(family, kind) as probe:
        probe.connect(address)
        own: str = probe.getsockname()[0]
        return own
