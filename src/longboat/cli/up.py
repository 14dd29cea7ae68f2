"""`longboat up`: a cluster, started, extended or repaired."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from longboat.cli import alive, flags, node_defaults, node_upkeep, preflight, registry, server_files, startup, trust
from longboat.cli.agent_options import MAX_PIDS
from longboat.cli.cluster import Cluster, load
from longboat.cli.errors import Failure, Usage
from longboat.cli.flags import duration, flag
from longboat.cli.plan import plan, supervisor
from longboat.cli.steps import Steps


@dataclass(frozen=True)
class Options(server_files.Flags):
    """Start a cluster. On a running one: add missing nodes and repair what is broken."""

    name: str = flag("default", "name of the cluster")
    nodes: int | None = flag(None, "real nodes (default: 1, or those it has)")
    simulated_nodes: int | None = flag(None, "nodes whose containers are only imagined (default: 0, or those it has)")
    data_dir: str = flag("", "where its state lives (default: /var/lib/longboat/NAME, or under your home)")
    kubeconfig: str = flag("", "file that gets the context (default: $KUBECONFIG, else ~/.kube/config)")
    api_port: int = flag(0, "port of the API server; 0 picks a free one, once")
    egress: bool | None = flag(None, "let pods reach the world outside (default: yes)")
    allowed_unsafe_sysctls: list[str] = flag(
        [], "kernel parameters (or net.core.*) that pods may set besides safe ones"
    )
    warn_unenforced: bool | None = flag(None, "warn clients of what is stored and not in force (default: yes)")
    seccomp_default: bool | None = flag(
        None, "give containers that name no seccomp profile the runtime's (default: yes; old clusters: as they were)"
    )
    pod_max_pids: int | None = flag(
        None, f"processes and threads of each pod; -1: no limit (default: {MAX_PIDS}; old clusters: as they were)"
    )
    eviction_hard: list[str] = flag(
        [], "what nodes must have left (e.g. nodefs.available<5%): below it they evict pods (default: as the disk is)"
    )
    wait: float = flag(60.0, "seconds (or 90s, 2m) to wait until it is ready", parse=duration)
    output: str = flag("text", "text or json", choices=("text", "json"))


def run(argv: list[str]) -> int:
    options = flags.parse(Options, argv, prog="longboat up")
    steps = Steps(quiet=options.output == "json")
    place = registry.data_dir(registry.checked(options.name), options.data_dir)
    before = load(place)
    cluster = settle(options, place, before)
    if before is None or not alive.running(cluster.run_dir):
        preflight.check_data_dir(place)
    with ExitStack() as undo:
        _start(cluster, before, options, steps, undo)
        undo.pop_all()
    _report(cluster, options, steps)
    return 0


def settle(options: Options, place: Path, before: Cluster | None) -> Cluster:
    """The cluster as it should be: what was chosen earlier is kept, nodes are only added. Raises Failure."""
    for count in (options.nodes, options.simulated_nodes):
        if count is not None and not 0 <= count <= 200:
            raise Usage(f"{count} is not a number of nodes between 0 and 200")
    if not 0 <= options.api_port <= 65535:
        raise Usage(f"{options.api_port} is not a port")
    sysctls = _sysctls(options.allowed_unsafe_sysctls)
    if before is None:
        port = options.api_port or startup.free_port()
        fresh = Cluster(
            options.name, str(place), port, egress=options.egress is not False, unsafe_sysctls=sysctls,
            warn_unenforced=options.warn_unenforced is not False,
        )  # fmt: skip
        fresh = replace(fresh, seccomp_default=True, pod_max_pids=MAX_PIDS)
        fresh = replace(fresh, **_limits(options))
        nodes = 1 if options.nodes is None else options.nodes
        fresh = replace(fresh, nodes=nodes, simulated_nodes=options.simulated_nodes or 0)
        server_files.check(fresh)
        return _with_simulated_port(fresh)
    if options.api_port not in (0, before.api_port) and alive.running(before.run_dir):
        raise Failure(
            f"cluster {before.name!r} runs with its API on port {before.api_port}",
            f"To move it: longboat down --name {before.name}, then longboat up --api-port {options.api_port}",
        )
    after = replace(
        before,
        api_port=options.api_port or before.api_port,
        nodes=max(before.nodes, options.nodes or 0),
        simulated_nodes=max(before.simulated_nodes, options.simulated_nodes or 0),
        egress=before.egress if options.egress is None else options.egress,
        warn_unenforced=before.warn_unenforced if options.warn_unenforced is None else options.warn_unenforced,
        unsafe_sysctls=sysctls or before.unsafe_sysctls,
        **_limits(options, before),
    )
    server_files.check(after)
    return _with_simulated_port(after)


def _with_simulated_port(cluster: Cluster) -> Cluster:
    """With a port for the simulated nodes' agent, chosen once: the API server connects to no other on 127.0.0.1."""
    port = cluster.simulated_port
    while cluster.simulated_nodes and port in (0, cluster.api_port):
        port = startup.free_port()
    return replace(cluster, simulated_port=port)


def _limits(options: Options, before: Cluster | None = None) -> dict[str, Any]:
    """What has been said of what may be done in it. Raises Usage."""
    said: dict[str, Any] = {}
    if options.seccomp_default is not None:
        said["seccomp_default"] = options.seccomp_default
    if options.pod_max_pids is not None:
        said["pod_max_pids"] = node_defaults.checked_pids(options.pod_max_pids)
    said |= server_files.said(options, before)
    if options.eviction_hard:
        said["eviction_hard"] = node_upkeep.checked(options.eviction_hard)
    return said


def _sysctls(patterns: list[str]) -> str:
    """Raises Usage."""
    if not patterns:
        return ""
    from longboat.node import sysctls

    try:
        return ",".join(sysctls.check(pattern) for pattern in patterns)
    except ValueError as error:
        raise Usage(f"--allowed-unsafe-sysctls: {error}") from error


def _start(cluster: Cluster, before: Cluster | None, options: Options, steps: Steps, undo: ExitStack) -> None:
    """Everything from settings to a ready cluster; what is made on the way is put on `undo`."""
    began = startup.now()
    ran_before = frozenset(process.name for process in alive.running(cluster.run_dir))
    if "control-plane" not in ran_before:
        startup.check_port(cluster.api_port)
    if cluster.nodes:
        preflight.check_nodes(max(1, cluster.nodes))
    trust.check(_kubeconfig(cluster, options))
    registry.directory()
    if cluster.nodes:
        from longboat.cli import nodes

        cluster = nodes.prepare(cluster, undo)
    elif os.geteuid() == 0:
        _loopback()
    if cluster.simulated_nodes:
        from longboat.cli import credentials

        credentials.simulated(cluster)
    if cluster != before:
        cluster.save()
        undo.callback(_put_back, cluster, before)
    undo.callback(_stop_started, cluster, ran_before)
    started = startup.start_supervisor(cluster)
    if started:
        undo.callback(startup.stop_supervisor, cluster)
    startup.wait_for_api(cluster, options.wait)
    again = "is still" if "control-plane" in ran_before else "is"
    steps.done(f"control plane {again} ready at {cluster.url}")
    if before is None:
        undo.callback(_disconnect, cluster)
    _connect(cluster, options, steps)
    if cluster.nodes:
        from longboat.cli import nodes

        nodes.start_up(cluster, options.wait)
        since = {name: "" if name in ran_before else began for name in cluster.node_names}
        startup.wait_for_nodes(cluster, since, options.wait)
        steps.done(f"{_count(cluster.nodes, 'node')} ready: {', '.join(cluster.node_names)}")
    if cluster.simulated_nodes:
        since_then = "" if "simulated-nodes" in ran_before else began
        startup.wait_for_simulated(cluster, since_then, options.wait)
        steps.done(f"{_count(cluster.simulated_nodes, 'simulated node')} ready")


def _connect(cluster: Cluster, options: Options, steps: Steps) -> None:
    """Give the person a kubectl context, and the cluster an entry in the registry."""
    from longboat.cli import kubeconfigs

    path = _kubeconfig(cluster, options)
    kubeconfigs.install(path, kubeconfigs.read(cluster.admin_kubeconfig), cluster.context)
    if str(path) != cluster.kubeconfig:
        replace(load(cluster.root) or cluster, kubeconfig=str(path)).save()
    registry.add(cluster)
    steps.done(f"kubectl context {cluster.context!r} in {path}")


def _kubeconfig(cluster: Cluster, options: Options) -> Path:
    from longboat.cli import kubeconfigs

    return kubeconfigs.target(options.kubeconfig or ("" if os.environ.get("KUBECONFIG") else cluster.kubeconfig))


def _disconnect(cluster: Cluster) -> None:
    """Undo `_connect` for a cluster that will not be."""
    from longboat.cli import kubeconfigs

    connected = load(cluster.root)
    if connected is not None and connected.kubeconfig:
        kubeconfigs.uninstall(Path(connected.kubeconfig), cluster.context)
    registry.remove(cluster.name)


def _report(cluster: Cluster, options: Options, steps: Steps) -> None:
    if options.output == "json":
        from longboat.cli import status

        status.run(["--data-dir", cluster.data_dir, "--output", "json"])
    else:
        steps.note(f"Try: kubectl get {'nodes' if cluster.nodes + cluster.simulated_nodes else 'namespaces'}")


def _put_back(cluster: Cluster, before: Cluster | None) -> None:
    """The settings as they were; a running supervisor stops what is no longer planned."""
    if before is None:
        (cluster.root / "cluster.json").unlink(missing_ok=True)
        return
    before.save()
    keeper = alive.read(cluster.run_dir, "supervisor")
    if keeper is None or not alive.is_running(keeper):
        return
    startup.start_supervisor(before)
    planned = {process.name: process.argv for process in (supervisor(before), *plan(before))}
    for _ in startup.ticks(10.0):
        if {process.name: process.argv for process in alive.recorded(cluster.run_dir)} == planned:
            break
    startup.wait_for_api(before, 10.0)  # the control plane may have changed its addresses, there and back


def _stop_started(cluster: Cluster, ran_before: frozenset[str]) -> None:
    """Stop the processes this `up` started, and no others."""
    from longboat.cli.down import stop_processes

    stop_processes(cluster, keep=ran_before)


def _loopback() -> None:
    """In a fresh network namespace even 127.0.0.1 is down: bring it up."""
    from longboat.network.overlay.loopback import bring_up

    bring_up()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
