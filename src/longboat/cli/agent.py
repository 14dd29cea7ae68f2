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

from longboat.aio import collector, processes
from longboat.api.families import split
from longboat.cli import flags, join, node_defaults, node_upkeep, ranges, trust
from longboat.cli.agent_options import Options as Options
from longboat.cli.errors import Failure, Usage
from longboat.cli.join import KUBECONFIG

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
