"""A real NFS server on a machine of its own, beside a cluster's nodes. See README.md."""

from __future__ import annotations

import ipaddress
import json
import os
import signal
import subprocess
import time
from pathlib import Path

from e2e.host import Cluster

EXPORT = "/data"
CONFIG = """
NFS_CORE_PARAM {{ Protocols = 3; Enable_NLM = false; Enable_RQUOTA = false; mount_path_pseudo = true; }}
EXPORT {{
    Export_Id = 1; Path = {exported}; Pseudo = {export};
    Access_Type = RW; Squash = No_Root_Squash; SecType = sys; FSAL {{ Name = VFS; }}
}}
LOG {{ Default_Log_Level = EVENT; }}
"""
READY = "NFS SERVER INITIALIZED"


class Server:
    """It is there, but stopped. `exported` is what it serves, `address` where."""

    def __init__(self, cluster: Cluster, folder: Path, host_number: int = 200) -> None:
        self.exported, self._folder, self._cluster = folder / "exported", folder, cluster
        self.exported.mkdir()
        self.exported.chmod(0o777)
        (folder / "ganesha.conf").write_text(CONFIG.format(exported=self.exported, export=EXPORT))
        network, bridge = nodes_network(cluster)
        self.address = str(network[host_number])
        self.nobody = str(network[host_number + 1])  # no machine has this address
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation", "private", "sleep", "infinity"], start_new_session=True
        )
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self._holder.pid}/ns/net") == own:
            assert self._holder.poll() is None, "unshare failed"
            os.sched_yield()
        pid = self._holder.pid
        cluster.host.run("ip", "link", "add", "nfs", "type", "veth", "peer", "name", "eth0", "netns", str(pid)).ok()
        cluster.host.run("ip", "link", "set", "nfs", "master", bridge, "up").ok()
        for command in (
            "ip link set lo up", f"ip addr add {self.address}/{network.prefixlen} dev eth0", "ip link set eth0 up",
            "mount -t tmpfs tmpfs /run",  # rpcbind's socket lies there
        ):  # fmt: skip
            subprocess.run([*self._entering, *command.split()], check=True)
        self._portmapper = subprocess.Popen([*self._entering, "rpcbind", "-f", "-w"])
        self._ganesha: subprocess.Popen[bytes] | None = None

    @property
    def _entering(self) -> list[str]:
        return ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", f"--mount=/proc/{self._holder.pid}/ns/mnt"]

    def start(self) -> None:
        """Fine if it runs already."""
        if self._ganesha is not None:
            return
        log = self._folder / f"ganesha-{time.monotonic_ns()}.log"
        config, pid = self._folder / "ganesha.conf", self._folder / "ganesha.pid"
        self._ganesha = subprocess.Popen([*self._entering, "ganesha.nfsd", "-F", "-f", config, "-L", log, "-p", pid])
        deadline = time.monotonic() + 20
        while not (log.exists() and READY in log.read_text()):
            assert self._ganesha.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)

    def freeze(self) -> None:
        """It keeps its connections, and says nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """As in a power cut."""
        if self._ganesha is not None:
            self._signal(signal.SIGKILL)
            self._ganesha.wait()
            self._ganesha = None

    def close(self) -> None:
        self.stop()
        self._portmapper.kill()
        self._portmapper.wait()
        self._cluster.host.run("ip", "link", "del", "nfs")
        self._holder.kill()
        self._holder.wait()

    def _signal(self, number: signal.Signals) -> None:
        assert self._ganesha is not None
        self._ganesha.send_signal(number)


def nodes_network(cluster: Cluster) -> tuple[ipaddress.IPv4Network, str]:
    """The range of the nodes' addresses, and the bridge they are on."""
    for link in json.loads(cluster.host.run("ip", "-json", "addr", "show", "type", "bridge").quiet()):
        for address in link["addr_info"]:
            if address["family"] == "inet":
                return ipaddress.ip_network(f"{address['local']}/{address['prefixlen']}", strict=False), link["ifname"]
    raise AssertionError("the cluster has no bridge")
