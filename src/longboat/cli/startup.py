"""Starting a cluster's supervisor, and waiting until what it starts is there."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping

from longboat.assembly import files
from longboat.cli import alive, logfiles
from longboat.cli.cluster import Cluster
from longboat.cli.errors import Failure
from longboat.cli.plan import supervisor
from longboat.cli.supervisor import spawn

POLL = 0.01  # seconds between looks: a failed connect to a local port costs microseconds
TOO_MANY_EXITS = 3  # a process that ended this often while `up` waits will not get better by waiting
NODE_PORT = 10250  # where a node's agent listens
FULL_DISK = ("No space left on device", "database or disk is full")


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def check_port(port: int) -> None:
    """Raises Failure if something else listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError as error:
            raise Failure(f"may not listen on port {port}", "Choose one above 1023: --api-port P") from error
        except OSError as error:
            raise Failure(
                f"port {port} of 127.0.0.1 is in use by another program",
                f"Stop it (ss -ltnp 'sport = :{port}' names it), or choose another port: longboat up --api-port P",
            ) from error


def start_supervisor(cluster: Cluster) -> bool:
    """Make sure a supervisor looks after the cluster and knows its settings. True if it had to be started."""
    files.directory(cluster.run_dir)
    files.directory(cluster.logs_dir)
    running = alive.read(cluster.run_dir, "supervisor")
    if running is not None and alive.is_running(running):
        os.kill(running.pid, signal.SIGHUP)
        return False
    (cluster.run_dir / "supervisor.json").unlink(missing_ok=True)  # of one that is gone
    try:
        spawn(supervisor(cluster), cluster.root)
    except OSError as error:
        raise files.unusable(cluster.logs_dir / "supervisor.log", error) from error
    return True


def stop_supervisor(cluster: Cluster) -> None:
    """End the supervisor alone; what it started goes on."""
    running = alive.read(cluster.run_dir, "supervisor")
    if running is not None:
        alive.stop([running], grace=5.0)


def ticks(seconds: float) -> Iterator[float]:
    """Yields the seconds left, every POLL, until none are."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        yield left
        time.sleep(POLL)


def wait_for_api(cluster: Cluster, seconds: float) -> None:
    """Return once the API server says it is ready. Raises Failure when it will not be."""
    before = restarts(cluster)
    for _ in ticks(seconds):
        if cluster.admin_kubeconfig.exists() and _listens(cluster.api_port):
            from longboat.cli.api import Api  # TLS is slow to import: only once there is somebody to talk to

            if Api(cluster).ready():
                return
        raise_if_crashing(cluster, before)
    raise _failed(cluster, "control-plane", f"is not ready after {seconds:g}s")


def now() -> str:
    """This moment as the API writes it, but for the closing Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())


def wait_for_nodes(cluster: Cluster, since: Mapping[str, str], seconds: float) -> None:
    """Return once each named node has said that it is Ready, no earlier than `since`, and listens on its own port.

    Raises Failure naming the first that does not.
    """
    from longboat.cli.api import UNREACHABLE, Api

    before = restarts(cluster)
    missing = set(since)
    for _ in ticks(seconds):
        try:
            api = Api(cluster)
            for name in sorted(missing):
                address = api.ready_since(since[name]).get(name)
                if address and _listens(NODE_PORT, address):
                    missing.discard(name)
        except UNREACHABLE:
            pass  # it may be restarting with other addresses
        if not missing:
            return
        raise_if_crashing(cluster, before)
        time.sleep(0.05)
    raise _failed(cluster, min(missing), f"is not Ready after {seconds:g}s")


def wait_for_simulated(cluster: Cluster, since: str, seconds: float) -> None:
    """Return once as many simulated nodes are Ready as the cluster should have."""
    from longboat.cli.api import UNREACHABLE, Api

    before = restarts(cluster)
    for _ in ticks(seconds):
        try:
            ready = len(Api(cluster).ready_since(since).keys() - set(cluster.node_names))
        except UNREACHABLE:
            ready = 0
        if ready >= cluster.simulated_nodes:
            return
        raise_if_crashing(cluster, before)
        time.sleep(0.05)
    raise _failed(cluster, "simulated-nodes", f"are not all Ready after {seconds:g}s")


def _listens(port: int, address: str = "127.0.0.1") -> bool:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((address, port)) == 0


def restarts(cluster: Cluster) -> dict[str, int]:
    return {process.name: process.restarts for process in alive.recorded(cluster.run_dir)}


def raise_if_crashing(cluster: Cluster, before: dict[str, int]) -> None:
    for name, count in restarts(cluster).items():
        if count - before.get(name, 0) >= TOO_MANY_EXITS:
            raise _failed(cluster, name, "keeps ending")
    running = alive.read(cluster.run_dir, "supervisor")
    if running is not None and not alive.is_running(running):
        raise _failed(cluster, "supervisor", "ended")


def _failed(cluster: Cluster, process: str, what: str) -> Failure:
    """A failure with the last words of the process, and what they suggest."""
    log = logfiles.path(cluster.logs_dir, process)
    last = [line for line in logfiles.tail(log, 200) if line.strip()][-5:]
    remedy = [*last, f"Its log: {log}"]
    if any(sign in line for line in last for sign in FULL_DISK):
        remedy.append(f"The disk is full: free some space under {cluster.data_dir}, then: longboat up")
    return Failure(f"{process} {what}", "\n".join(remedy))
