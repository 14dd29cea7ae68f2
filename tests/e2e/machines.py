"""Machines of their own for nodes that join: each a network and mount namespace with a cable to a common switch.

The switch is a bridge in the host's namespace, which has no way out, and neither have they.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from e2e.host import LONGBOAT, Done, Host

SWITCH, RANGE = "switch0", "192.168.76.{}"
OWN = ("/run", "/var/lib/kubelet", "/var/lib/cni", "/var/log/pods", "/var/log/containers")


def switch(host: Host) -> str:
    """Make the switch; the host's own address on it."""
    host.run("ip", "link", "add", SWITCH, "type", "bridge").ok()
    host.run("ip", "addr", "add", RANGE.format(1) + "/24", "dev", SWITCH).ok()
    host.run("ip", "link", "set", SWITCH, "up").ok()
    return RANGE.format(1)


class Machine:
    """One machine beside `host`. `run` enters it."""

    def __init__(self, host: Host, folder: Path, number: int) -> None:
        self.name, self.address, self.host = f"machine-{number}", RANGE.format(10 + number), host
        self.folder = folder / self.name
        self.folder.mkdir()
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--uts", "--propagation", "private", "sleep", "infinity"],
            start_new_session=True,
        )
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self._holder.pid}/ns/net") == own:
            assert self._holder.poll() is None, "unshare failed"
            os.sched_yield()
        self.agent: subprocess.Popen[str] | None = None
        self._connect(number)
        script = ["set -e", "mount --make-rshared /", f"hostname {self.name}"]
        for path in OWN:
            place = self.folder / path.strip("/").replace("/", "-")
            if path == "/run":
                script.append("mount -t tmpfs tmpfs /run")
                continue
            place.mkdir()
            script += [f"mkdir -p {path}", f"mount --bind {place} {path}"]
        self.run("sh", "-c", "\n".join(script)).ok()

    def _connect(self, number: int) -> None:
        cable = f"cable{number}"
        for command in (
            f"ip link add {cable} type veth peer name eth0 netns {self._holder.pid}",
            f"ip link set {cable} master {SWITCH} up",
        ):
            self.host.run(*command.split()).ok()
        for command in ("ip link set lo up", f"ip addr add {self.address}/24 dev eth0", "ip link set eth0 up"):
            self.run(*command.split()).ok()

    @property
    def entering(self) -> list[str]:
        names = ("net", "mnt", "uts")
        flags = {"net": "--net", "mnt": "--mount", "uts": "--uts"}
        return ["nsenter", *(f"{flags[n]}=/proc/{self._holder.pid}/ns/{n}" for n in names)]

    def run(self, *args: str, timeout: float = 120) -> Done:
        ended = subprocess.run(
            [*self.entering, *args], capture_output=True, text=True, timeout=timeout, env=self.host.environment
        )
        return Done(args, ended.returncode, ended.stdout, ended.stderr)

    def join(self, server: str, token: str, *flags: str) -> None:
        """Start an agent that joins, and goes on."""
        file = self.folder / "token"
        file.touch(mode=0o600)
        file.write_text(token + "\n")
        self.start_agent("--server", server, "--token-file", str(file), *flags)

    def start_agent(self, *flags: str) -> None:
        data = ["--data-dir", str(self.folder / "data"), "--cgroup-root", f"/longboat-machines/{self.name}"]
        with (self.folder / "agent.log").open("a") as log:
            self.agent = subprocess.Popen(
                [*self.entering, *LONGBOAT, "agent", *data, *flags], text=True, env=self.host.environment,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    @property
    def log(self) -> str:
        return (self.folder / "agent.log").read_text()

    def stop_agent(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.agent is not None:
            self.agent.send_signal(how)
            self.agent.wait(30)
            self.agent = None

    def unplug(self) -> None:
        """Take the cable out."""
        self.run("ip", "link", "set", "eth0", "down").ok()

    def plug(self) -> None:
        self.run("ip", "link", "set", "eth0", "up").ok()

    def close(self) -> None:
        """End all that lives in it: the agent, containerd, its shims and containers."""
        wanted = os.stat(f"/proc/{self._holder.pid}/ns/mnt").st_ino
        for _ in range(3):
            for pid in family(wanted, self._holder.pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        self._holder.kill()
        self._holder.wait()
        if self.agent is not None:
            self.agent.wait(10)
        _remove_cgroups(f"longboat-machines/{self.name}")


def family(namespace: int, holder: int) -> set[int]:
    """Processes in the mount namespace, and what they have started, but not its holder."""
    parents: dict[int, int] = {}
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        pid = int(entry.name)
        try:
            parents[pid] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if os.stat(entry / "ns" / "mnt").st_ino == namespace:
                found.add(pid)
        except OSError:
            continue
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {holder}


def _remove_cgroups(path: str) -> None:
    tops: list[Any] = [top for top in Path("/sys/fs/cgroup").iterdir() if top.is_dir()]
    for _ in range(50):
        left = [Path(d) for top in tops for d, _, _ in os.walk(top / path, topdown=False)]
        if not left:
            return
        for directory in left:
            try:
                directory.rmdir()
            except OSError:
                continue
