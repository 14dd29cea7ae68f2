"""`longboat agent`: one node, or many simulated ones, in the foreground."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from longboat.aio import collector, processes
from longboat.api.families import split
from longboat.cli import flags, node_defaults, node_upkeep, ranges, trust
from longboat.cli.agent_options import KUBECONFIG
from longboat.cli.agent_options import Options as Options
from longboat.cli.errors import Failure, Usage

if TYPE_CHECKING:
    from longboat.aio.clock import Clock
    from longboat.assembly.node.settings import Settings

log = logging.getLogger(__name__)
THREADS = 24  # that wait for disks: giving a large volume to a group takes minutes, and must not be felt elsewhere


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
    from longboat.assembly.node import kept
    from longboat.assembly.node.identity import USER_AGENT, Identity
    from longboat.client.https import HttpsTransport
    from longboat.client.kubeconfig import BadKubeconfig, load
    from longboat.client.rest import RestClient

    clock = SystemClock()
    options = replace(options, node_name=options.node_name or socket.gethostname().lower())
    options = node_defaults.settled(options)
    kubeconfig = Path(options.kubeconfig) if options.kubeconfig else await _joined(options, clock)
    try:
        access = load(kubeconfig)
    except (OSError, BadKubeconfig) as error:
        raise Failure(f"cannot read the kubeconfig: {error}") from error
    transport = HttpsTransport(access, USER_AGENT, clock)
    client = RestClient(transport, clock)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS, "blocking"))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    collector.hurry_less()
    identity = Identity(options.node_name, kubeconfig, access.server, transport)

    async def node() -> None:
        if options.simulated:
            from longboat.assembly.node.simulated import simulated_nodes

            place = Path(options.data_dir)
            nodes = await simulated_nodes(options.simulated, client, clock, identity, place, options.port)
            return await kept.work(nodes)
        from longboat.assembly.node.real import real_node

        addresses = split(options.node_ip or await _own_address(access.server))
        await kept.work([await real_node(settings(options, addresses), client, clock, identity)])

    work = asyncio.create_task(node(), name="node")
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


def settings(options: Options, addresses: tuple[str, ...]) -> Settings:
    """Of a real node, with nothing left open. Raises Usage, Failure."""
    from longboat.assembly.node.settings import Settings

    return Settings(
        name=options.node_name,
        addresses=addresses,
        data_dir=Path(options.data_dir),
        root_dir=Path(options.root_dir),
        runtime=options.container_runtime_endpoint,
        cgroup_root=options.cgroup_root,
        port=options.port,
        node_cidr=options.node_cidr,
        pod_cidr=options.pod_cidr,
        service_cidr=options.service_cidr,
        cluster_dns=tuple(options.cluster_dns),
        serve_dns=options.serve_dns,
        cluster_domain=options.cluster_domain,
        resolv_conf=Path(options.resolv_conf) if options.resolv_conf else None,
        ingress_http_port=options.ingress_http_port,
        ingress_https_port=options.ingress_https_port,
        unsafe_sysctls=_checked(options.allowed_unsafe_sysctls),
        seccomp_default=bool(options.seccomp_default),
        pod_max_pids=options.pod_max_pids or 0,
        rules=node_upkeep.rules(options),
    )


def _checked(patterns: list[str]) -> tuple[str, ...]:
    """Raises Failure."""
    from longboat.node import sysctls

    try:
        return tuple(sysctls.check(pattern) for pattern in patterns)
    except ValueError as error:
        raise Failure(f"--allowed-unsafe-sysctls: {error}") from error


async def _joined(options: Options, clock: Clock) -> Path:
    """The node's kubeconfig; joins the cluster where there is none, or its certificate has run out. Raises Failure."""
    from longboat.assembly.node import identity

    path = Path(options.data_dir, KUBECONFIG)
    if identity.holds(path, clock):
        return path
    if not options.server or not options.token_file:
        remedy = "Join again: longboat agent --server URL --token-file FILE"
        raise Usage("the node has no certificate that holds", remedy)
    await identity.join(path, options.node_name, options.server, Path(options.token_file), clock)
    return path


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
