"""A node without Longboat: a bridge with pods that are only network namespaces, each with the test web server."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from e2e.host import Host
from images import build

RANGE6 = "fd44:1::/64"
APPLY = "import sys; from longboat.network.nftables import Nftables; print(Nftables().run(sys.stdin.read()))"
SETTINGS = {
    "net.ipv4.ip_forward": "1",
    "net.bridge.bridge-nf-call-iptables": "1",
    "net.netfilter.nf_conntrack_tcp_be_liberal": "1",
    "net.ipv6.conf.default.accept_dad": "0",
    "net.ipv6.conf.all.forwarding": "1",
    "net.bridge.bridge-nf-call-ip6tables": "1",
}


class BareNode:
    """A host with a bridge at 10.244.1.1/24 and fd44:1::1/64, as the CNI plugin would leave it."""

    def __init__(self, folder: Path) -> None:
        self.host = Host(folder)
        self._processes: list[subprocess.Popen[str]] = []
        self._web = folder / "web"
        self._web.write_bytes(build.compiled(build.HERE / "web.c"))
        self._web.chmod(0o755)
        for command in (
            *(f"sysctl -q -w {name}={value}" for name, value in SETTINGS.items()),
            "ip link add cni0 type bridge",
            "ip addr add 10.244.1.1/24 dev cni0",
            "ip link set cni0 up",
            "ip route add unreachable 10.96.0.0/16 metric 4096",
            "ip route add 10.96.0.0/16 dev cni0 table 100 src 10.244.1.1",
            "ip rule add iif lo table 100 priority 100",
            "ip addr add fd44:1::1/64 dev cni0",
            "ip -6 route add unreachable fd10:96::/112 metric 4096",
            "ip -6 route add fd10:96::/112 dev cni0 table 100 src fd44:1::1",
            "ip -6 rule add iif lo table 100 priority 100",
        ):
            self.host.run(*command.split()).ok()

    def apply(self, commands: str) -> str:
        """Carry out nft commands through the library, in the node's namespace."""
        return self.host.run(sys.executable, "-c", APPLY, stdin=commands).ok().out

    def pod(self, number: int) -> Pod:
        """A pod at 10.244.1.<number> and fd44:1::<number>, serving on port 8080 under the name pod-<number>."""
        pod = Pod(self.host, number, str(self._web))
        self._processes.append(pod.process)
        return pod

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()
        self.host.close()


class Pod:
    def __init__(self, host: Host, number: int, web: str) -> None:
        self.host, self.address, self.address6 = host, f"10.244.1.{number}", f"fd44:1::{number:x}"
        script = (
            f"hostname pod-{number}; until ip addr show eth0 2>/dev/null | grep -q {self.address}; do sleep .01; done"
        )
        command = ["unshare", "--net", "--uts", "sh", "-c", f"{script}; exec {web}"]
        self.process = host.start(*command, stdout=subprocess.PIPE)
        self._await_namespace()
        name = f"pod{number}"
        host.run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(self.process.pid)).ok()
        host.run("ip", "link", "set", name, "master", "cni0", "up").ok()
        host.run("ip", "link", "set", name, "type", "bridge_slave", "hairpin", "on").ok()
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "link", "set", "eth0", "up")
        self.run("ip", "addr", "add", f"{self.address}/24", "dev", "eth0")
        self.run("ip", "route", "add", "default", "via", "10.244.1.1")
        self.run("ip", "addr", "add", f"{self.address6}/64", "dev", "eth0", "nodad")
        self.run("ip", "-6", "route", "add", "default", "via", "fd44:1::1")
        assert self.process.stdout is not None
        assert "listens" in self.process.stdout.readline()

    def _await_namespace(self) -> None:
        outer = self.host.run("readlink", "/proc/self/ns/net").out.strip()
        while self.host.run("readlink", f"/proc/{self.process.pid}/ns/net").out.strip() in ("", outer):
            assert self.process.poll() is None
            time.sleep(0.005)

    @property
    def entering(self) -> list[str]:
        return ["nsenter", f"--net=/proc/{self.process.pid}/ns/net"]

    def run(self, *args: str) -> str:
        return self.host.run(*self.entering, *args).ok().out

    def python(self, script: str, *args: str) -> str:
        """Run a script in the pod's network."""
        return self.run(sys.executable, "-c", script, *args)
