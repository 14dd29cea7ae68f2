"""A cluster's processes have nothing of the shell that started them, no way to more rights, and leave no core files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.host import CANARY, LONGBOAT, Cluster
from integration.cli.machine import Machine, machine
from longboat.aio.processes import KEPT, WAY_OUT

__all__ = ["machine"]
ALLOWED = {*KEPT, "PATH", "PYTHONPATH", "GRPC_ENABLE_FORK_SUPPORT"}
HOLD_KEYS = ("store", "control-plane", "node-1", "node-2", "simulated-nodes")
PROBE = """
import ctypes
from longboat.aio import processes
processes.leave_no_core()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))  # PR_GET_DUMPABLE
"""


def environ(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if pair)


def status(pid: int, field: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{field}:"))


def core_limit(pid: int) -> str:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line.split()[4] for line in lines if line.startswith("Max core file size"))


def descriptors(pid: int) -> set[str]:
    return {os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()}


def is_clean(name: str, pid: int, *, more: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    assert environ(pid).keys() <= ALLOWED | more, name
    assert all(os.path.isabs(each) for each in environ(pid)["PATH"].split(":")), name
    assert CANARY not in Path(f"/proc/{pid}/cmdline").read_text(), name
    if name in HOLD_KEYS:
        assert (core_limit(pid), status(pid, "NoNewPrivs")) == ("0", "1"), name


@pytest.mark.root
def test_nothing_of_the_shell_reaches_a_control_plane(machine: Machine, tmp_path: Path) -> None:
    kept_open = tmp_path / "kept-open"
    kept_open.write_text(CANARY)
    up = [*LONGBOAT, "up", "--nodes", "0", "--simulated-nodes", "1", "--data-dir", str(machine.data)]
    shell = 'umask 0; ulimit -c unlimited; secret=$1; shift; exec 9<"$secret"; exec "$@"'
    machine.host.environment |= {"PATH": f"relative:{os.environ['PATH']}", "HTTPS_PROXY": "http://user:password@proxy"}
    machine.host.run("sh", "-c", shell, "sh", str(kept_open), *up).ok()
    found = machine.pids()
    assert {"supervisor", "store", "control-plane", "simulated-nodes"} == found.keys()
    for name, pid in found.items():
        is_clean(name, pid, more=set(WAY_OUT) if name == "supervisor" else set())
        assert str(kept_open) not in descriptors(pid), name
    readable = [each for each in machine.data.rglob("*") if each.lstat().st_mode & 0o077 and not each.is_symlink()]
    assert readable == [], "made for others to read, for the shell's umask was 0"


@pytest.mark.containers
@pytest.mark.slow
def test_nothing_of_the_shell_reaches_a_node(cluster: Cluster) -> None:
    processes = {each["name"]: each["pid"] for each in cluster.status()["processes"]}
    assert {"node-1", "containerd-node-1"} <= processes.keys()
    for name, pid in processes.items():
        if not name.startswith("haproxy-"):
            is_clean(name, pid, more=set(WAY_OUT) if name.startswith(("containerd-", "supervisor")) else set())
    runtime = processes["containerd-node-1"]
    assert status(runtime, "NoNewPrivs") == "0", "containers have it from there, and may run what is setuid"
    conflists = list(cluster.host.data.glob("nodes/*/cni/net.d/*"))
    assert conflists and all(each.stat().st_mode & 0o777 == 0o600 for each in conflists)
    assert all(each.parent.stat().st_mode & 0o777 == 0o700 for each in conflists)


@pytest.mark.root
def test_a_process_that_holds_keys_cannot_be_dumped() -> None:
    said = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True, env={
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})  # fmt: skip
    assert said.stdout == "0\n"
