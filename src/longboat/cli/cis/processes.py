"""The processes of a cluster on this machine, and the options they run with: those that `longboat up` keeps on record,
and a `longboat server` and `longboat agent` that somebody else has started, found by what they were told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from longboat.cli import agent, alive, flags, kubeconfigs, node_defaults, server
from longboat.cli.agent_options import KUBECONFIG
from longboat.cli.alive import Running
from longboat.cli.cluster import Cluster, load
from longboat.cli.errors import Failure, Usage

O = TypeVar("O", server.Options, agent.Options)  # noqa: E741 - the options class of a command


def cluster(place: Path, name: str) -> Cluster:
    """The cluster whose data are there, of `longboat up` or of a `longboat server`. Raises Failure."""
    if (found := load(place)) is not None:
        return found
    kubeconfig = place / "admin.kubeconfig"
    if not kubeconfig.is_file():
        raise Failure(f"there is no cluster in {place}", "Start one: longboat up, or longboat server")
    at = urlsplit(kubeconfigs.read(kubeconfig)["clusters"][0]["cluster"]["server"])
    return Cluster(name, str(place), at.port or 443)


def control_plane(of: Cluster) -> Running:
    """Raises Failure where none runs."""
    found = alive.read(of.run_dir, "control-plane")
    if found is not None and alive.is_running(found):
        return found
    for process in _started("server"):
        if Path(options(process, server.Options).data_dir).absolute() == of.root.absolute():
            return process
    raise Failure(f"no control plane of {of.root} runs", "Start it: longboat up, or longboat server")


def agents(of: Cluster) -> Iterator[tuple[Running, agent.Options]]:
    """Of the real nodes on this machine that know the cluster's authority."""
    authority = _authority(of.admin_kubeconfig)
    supervised = [process for process in alive.running(of.run_dir) if "agent" in process.argv]
    for process in supervised or _started("agent"):
        told = options(process, agent.Options)
        kubeconfig = Path(told.kubeconfig or Path(told.data_dir) / KUBECONFIG)
        if not told.simulated and kubeconfig.is_file() and _authority(kubeconfig) == authority:
            yield process, node_defaults.settled(told)


def options(process: Running, of: type[O]) -> O:
    """What a process was told, by its command line, its environment and its defaults. Raises Failure."""
    word = "server" if of is server.Options else "agent"
    given = process.argv[process.argv.index(word) + 1 :]
    try:
        pairs = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
    except OSError as error:
        raise Failure(f"cannot look at process {process.pid}: {error.strerror}", "Run as its owner (sudo?)") from error
    environ = dict(pair.decode("utf-8", "replace").split("=", 1) for pair in pairs if b"=" in pair)
    try:
        return flags.parse(of, given, prog=f"longboat {word}", environ=environ)
    except Usage as error:
        raise Failure(f"process {process.pid} was started by another version: {error}", "Start it anew") from error


def _started(command: str) -> Iterator[Running]:
    """Processes of this user (of all, for root) that run a command of Longboat."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        pid = int(entry.name)
        argv = alive.command_line(pid)
        if command not in argv[1:4] or not _readable(entry / "environ"):
            continue
        before = argv[argv.index(command) - 1]
        started = alive.start_time(pid)
        if started is not None and (before == "longboat.cli.main" or before.endswith(("/longboat", "cli/main.py"))):
            yield Running(command, pid, started, alive.boot_id(), argv)


def _readable(path: Path) -> bool:
    try:
        with path.open("rb"):
            return True
    except OSError:
        return False  # another user's: not of our cluster, or not ours to look at


def _authority(kubeconfig: Path) -> str:
    found: str = kubeconfigs.read(kubeconfig)["clusters"][0]["cluster"].get("certificate-authority-data", "")
    return "".join(found.split())
