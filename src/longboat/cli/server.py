"""`longboat server`: a control plane in the foreground."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from longboat.aio import memory, processes
from longboat.cli import collector, flags, ranges, trust
from longboat.cli.errors import Failure, Usage
from longboat.cli.flags import flag

if TYPE_CHECKING:
    from longboat.cli.controlplane import ControlPlane

log = logging.getLogger(__name__)

PARTS = frozenset(("api", "controllers", "scheduler"))


def port_range(text: str) -> str:
    """Raises ValueError for what is not LOW-HIGH."""
    low, _, high = text.partition("-")
    if not 0 < int(low) <= int(high) < 1 << 16:
        raise ValueError(text)
    return text


def count(text: str) -> int:
    """Raises ValueError for what is not a number of things."""
    if (number := int(text)) < 0:
        raise ValueError(text)
    return number


@dataclass(frozen=True)
class Options:
    """Run a control plane: API server, controllers and scheduler."""

    data_dir: str = flag("/var/lib/longboat/server", "where its state lives")
    listen: list[str] = flag(["127.0.0.1:6443"], "address and port to serve on; may be given several times")
    advertise: str = flag("", "address at which nodes and pods find it (default: the first listened on)")
    store: str = flag("", "sqlite:///FILE or memory:// (default: sqlite in the data directory)")
    store_socket: str = flag("", "socket of a store process that runs already")
    service_cidr: str = flag("10.96.0.0/16", "addresses of Services: a range, or two (IPv4,IPv6 or IPv6,IPv4)")
    pod_cidr: str = flag("10.244.0.0/16", "addresses of pods, likewise")
    node_cidr: str = flag("", "addresses that nodes may have, likewise (default: all but those of Services and pods)")
    simulated_node_port: int = flag(0, "port on 127.0.0.1 of the agent that plays simulated nodes; 0: there is none")
    load_balancer_pool: str = flag("", "addresses of load balancers, likewise (default: the nodes' own)")
    node_port_range: str = flag("30000-32767", "ports of NodePort Services", parse=port_range)
    token_file: str = flag("", "CSV file of static tokens: token,user,uid,groups")
    encryption_provider_config: str = flag("", "EncryptionConfiguration file (default: one of its own, made once)")
    service_account_extend_token_expiration: bool = flag(
        False, "let tokens of pods last a year, for programs that read theirs only once"
    )
    audit_log_path: str = flag("", "file of the audit log (default: logs/audit.log in the data directory)")
    audit_log_maxage: int = flag(30, "days that older parts of it are kept; 0: no limit", parse=count)
    audit_log_maxbackup: int = flag(10, "how many older parts are kept; 0: no limit", parse=count)
    audit_log_maxsize: int = flag(100, "megabytes of a part", parse=count)
    enable_admission_plugins: list[str] = flag(
        [], "admission plugins that should be enabled in addition to default enabled ones (all of ours are)"
    )
    disable_admission_plugins: list[str] = flag(
        [], "admission plugins that should be disabled although they are in the default enabled plugins list"
    )
    warn_unenforced: bool = flag(True, "warn clients of what is stored and not in force (docs/not-in-force.md)")
    only: list[str] = flag([], "run only these parts: api, controllers, scheduler")
    log_level: str = flag("info", "debug, info, warning or error", choices=("debug", "info", "warning", "error"))


def with_ranges(options: Options) -> Options:
    """Raises Usage."""
    return replace(
        options,
        service_cidr=ranges.checked("--service-cidr", options.service_cidr),
        pod_cidr=ranges.checked("--pod-cidr", options.pod_cidr),
        node_cidr=options.node_cidr and ranges.checked("--node-cidr", options.node_cidr),
        load_balancer_pool=options.load_balancer_pool
        and ranges.checked("--load-balancer-pool", options.load_balancer_pool),
    )


def check_parts(only: list[str]) -> None:
    """Raises Usage."""
    if unknown := set(only) - PARTS:
        raise Usage(f"--only {','.join(sorted(unknown))}: the parts are {', '.join(sorted(PARTS))}")
    if only and "api" not in only:
        raise Usage("--only without api: the other parts run in the API server's process", "Add api to --only")


def check_plugins(enabled: list[str], disabled: list[str]) -> None:
    """Raises Usage."""
    if not (enabled or disabled):
        return
    from longboat.apiserver.admission import catalog

    if found := list(catalog.problems(enabled, disabled)):
        raise Usage("; ".join(found), f"The plugins are {', '.join(sorted(catalog.NAMES))}")


def run(argv: list[str]) -> int:
    options = with_ranges(flags.parse(Options, argv, prog="longboat server"))
    check_parts(options.only)
    check_plugins(options.enable_admission_plugins, options.disable_admission_plugins)
    trust.check(Path(options.data_dir).absolute())
    logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(levelname).1s %(name)s: %(message)s")
    import uvloop

    from longboat.apiserver.pki import Unusable
    from longboat.cli.controlplane import ControlPlane
    from longboat.storage.encryption.configuration import BadConfiguration
    from longboat.storage.interface import StorageError

    collector.hurry_less()
    memory.spare()
    _allow_descriptors()
    os.umask(0o077)
    processes.gain_nothing()
    processes.leave_no_core()
    try:
        return uvloop.run(_serve(ControlPlane(options)))
    except (OSError, StorageError, Unusable, BadConfiguration) as error:
        raise Failure(f"the control plane cannot start: {error}") from error


def _allow_descriptors() -> None:
    """As many as the process may have: shells give fewer, for the sake of select(2), which nothing here uses."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(plane: ControlPlane) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    try:
        await plane.start()
        collector.settled()
        log.info("ready as process %d", os.getpid())
        await stopping.wait()
    finally:
        await plane.close()
    return 0
