"""A node without an agent: namespaces of its own, a containerd, a bridge for pods. Tests run inside, each in a fork."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from e2e.host import Host
from images import build
from longboat.assembly.node import containerd
from longboat.network.overlay import cni, kernel
from longboat.network.overlay.node import mount_points

POD_RANGE = "10.244.1.0/24"
CGROUP = "longboat-test"
ENDPOINT = f"unix://{containerd.SOCKET}"
MOUNTS = "mount --make-rshared / && mount -t tmpfs none /run && mkdir -p /run/containerd"


class Machine:
    """Starts in about a second. `close` leaves nothing behind."""

    def __init__(self, folder: Path) -> None:
        self.host, self.place = Host(folder), folder / "node"
        self.cgroup = f"/{CGROUP}/{os.getpid()}"
        self.place.mkdir(mode=0o700)
        binds = []
        for target, source in mount_points(self.place).items():
            source.mkdir(parents=True, exist_ok=True)
            target.mkdir(parents=True, exist_ok=True)
            binds.append(f"mount --bind {source} {target}")
        self.host.run("sh", "-c", " && ".join([MOUNTS, *binds])).ok()
        containerd.write_config(self.place)
        cni.write(self.place / "cni" / "net.d", cni.conflist([POD_RANGE], "/var/lib/cni/networks", 1500))
        self.host.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1").ok()
        self.start_containerd()
        for archive in build.build().values():
            self.ctr("images", "import", str(archive))

    def start_containerd(self) -> None:
        with (self.place / "containerd.log").open("ab") as log:
            command = ["containerd", "--config", str(self.place / "containerd" / "config.toml")]
            self.containerd = self.host.start(*command, stdout=log, stderr=log)
        for _ in range(200):
            if not self.host.run("ctr", "--address", containerd.SOCKET, "version").code:
                return
            time.sleep(0.05)
        raise AssertionError((self.place / "containerd.log").read_text()[-2000:])

    def ctr(self, *args: str) -> str:
        return self.host.run("ctr", "--address", containerd.SOCKET, "-n", "k8s.io", *args).ok().out

    def inside(self, work: Callable[[], None]) -> None:
        """Run a function in the machine's namespaces. A fork, because a process with threads cannot change mounts."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            os._exit(self._child(work, writer))
        os.close(writer)
        with os.fdopen(reader) as pipe:
            said = pipe.read()
        _, status = os.waitpid(pid, 0)
        assert status == 0, said or f"the test's process ended with {status}"

    def _child(self, work: Callable[[], None], writer: int) -> int:
        try:
            holder = Path(f"/proc/{self.host._holder.pid}/ns")
            kernel.setns({holder / "net": kernel.CLONE_NEWNET, holder / "mnt": kernel.CLONE_NEWNS})
            work()
        except BaseException:
            os.write(writer, traceback.format_exc().encode()[:60000])
            return 1
        return 0

    def close(self) -> None:
        self.host.run(
            "sh", "-c", "for c in $(ctr -n k8s.io tasks ls -q); do ctr -n k8s.io tasks kill -s 9 $c; done; sleep 0.2"
        )
        self.containerd.send_signal(signal.SIGTERM)
        self.containerd.wait(10)
        self._end_shims()
        self.host.close()
        subprocess.run(["umount", "-R", "-l", str(self.place)], check=False, capture_output=True)
        for controller in Path("/sys/fs/cgroup").iterdir():
            root = controller / self.cgroup.strip("/")
            for path in sorted(root.rglob("*"), reverse=True) if root.is_dir() else ():
                if path.is_dir():
                    path.rmdir()
            if root.is_dir():
                root.rmdir()
                if not any(entry.is_dir() for entry in root.parent.iterdir()):
                    root.parent.rmdir()
        shutil.rmtree(self.place, ignore_errors=True)

    def _end_shims(self) -> None:
        """Processes left in our mount namespace are ours: shims, and what they had started."""
        own = os.readlink(f"/proc/{self.host._holder.pid}/ns/mnt")
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != self.host._holder.pid:
                try:
                    line = (entry / "cmdline").read_bytes()
                    if os.readlink(entry / "ns" / "mnt") == own and line.startswith(b"/usr/bin/containerd-shim"):
                        os.kill(int(entry.name), signal.SIGKILL)
                except (FileNotFoundError, PermissionError, ProcessLookupError):
                    continue
