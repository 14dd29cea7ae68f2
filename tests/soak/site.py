"""The cluster under test: two nodes, its state on one small disk, all of its second node on another."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from e2e.certificates import self_signed
from e2e.host import Cluster, Done
from images import build, debian
from longboat.cli.cluster import Cluster as Settings
from longboat.network.overlay.bridge import port_name
from soak.clocks import Clocks

STATE_DISK, NODE_DISK = 768 << 20, 3 << 30  # bytes
EXAMPLES = Path(__file__).parents[2] / "examples"
SETTLED_AT_FIRST = 240.0  # seconds
EVICTION = "memory.available<100Mi,nodefs.available<10%,imagefs.available<10%,nodefs.inodesFree<5%"


class Site(Cluster):
    """A host without uplink; `close` leaves nothing of it."""

    def __init__(self, folder: Path) -> None:
        self.clocks = Clocks(folder)
        self.folder = folder
        super().__init__(folder, 2, "--eviction-hard", EVICTION, python=str(self.clocks.python))
        self.cgroup = Settings("default", str(self.host.data), api_port=0).cgroup
        self._images: list[Path] = []
        self._attach_disks()

    def _attach_disks(self) -> None:
        nodes, second, image = self.folder / "nodes", self.host.data / "nodes" / "node-2", self.folder / "node-2.img"
        script = f"""set -e
            mkdir -p {nodes} {self.host.data}
            mount -t tmpfs -o mode=0700,size={STATE_DISK} tmpfs {self.host.data}
            mkdir -m 0700 {self.host.data}/nodes
            mount --bind {nodes} {self.host.data}/nodes
            truncate --size {NODE_DISK} {image}
            mkfs.ext4 -q -m 0 {image}
            mkdir -m 0700 {second}
            mount -o loop {image} {second}"""
        self.host.run("sh", "-c", script).ok()

    def import_images(self, node: str = "") -> None:
        """Put the applications' images on every node, or on one: there is no registry to pull from."""
        if not self._images:
            images = build.build()
            self._images = [images["busybox"], images["web"], *debian.build().values()]
            self._images.append(build.hello(self.folder / "hello.tar"))
        only = ("--node", node) if node else ()
        for archive in self._images:
            self.longboat("image", "import", str(archive), "--data-dir", str(self.host.data), *only).ok()

    def process(self, name: str) -> int:
        """The pid of one of the cluster's processes. Raises LookupError where it does not run."""
        for process in self.status()["processes"]:
            if process["name"] == name:
                pid: int = process["pid"]
                return pid
        raise LookupError(name)

    def in_node(self, node: str, *args: str) -> Done:
        """Run something in a node's network and mount namespace."""
        pins = self.host.data / "run" / "ns" / node
        return self.host.run("nsenter", f"--net={pins}/net", f"--mount={pins}/mnt", *args)

    def cable(self, node: str, state: str) -> None:
        """Set the host's end of a node's cable "up" or "down"."""
        self.host.run("ip", "link", "set", port_name("default", node), state).ok()

    def try_json(self, *args: str) -> Any:
        """What kubectl prints, or None where it gets no answer."""
        done = self.kubectl("--request-timeout=10s", *args, "-o", "json")
        return json.loads(done.out) if done.code == 0 else None

    def close(self) -> None:
        self.host.run("cp", "-r", str(self.host.data / "logs"), str(self.folder))  # for whoever looks for a cause
        try:
            self.longboat("down", "--data-dir", str(self.host.data)).ok()
        finally:
            self.host.run("umount", "--lazy", f"{self.host.data}/nodes/node-2", f"{self.host.data}/nodes")
            self.host.close()


IMPATIENT = [
    {"key": f"node.kubernetes.io/{taint}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    for taint in ("unreachable", "not-ready")
]
MORE = {  # what makes the examples' pods leave a node that is lost, and gives the autoscaler a measure
    "deploy/hello": {"tolerations": IMPATIENT},
    "deploy/application": {"tolerations": IMPATIENT},
    "deploy/frontend": {"tolerations": IMPATIENT},
    "deploy/web": {
        "tolerations": IMPATIENT,
        "containers": [{"name": "nginx", "resources": {"requests": {"cpu": "10m"}}}],
    },
}


def applications(site: Site) -> dict[str, Path]:
    """Start everything in the default namespace; the certificates of the two sites, by host."""
    certificates = {}
    for name in ("hello", "blog"):
        host = f"{name}.example.com"
        certificate, key = self_signed(site.folder, name, host)
        certificates[host] = certificate
        site.kubectl("create", "secret", "tls", name, f"--cert={certificate}", f"--key={key}").quiet()
    site.kubectl("create", "secret", "generic", "database", "--from-literal=password=correct horse").quiet()
    for place in ("hello/hello.yaml", "blog", "guestbook", "log-shipper", "pipeline/collect.yaml"):
        site.kubectl("apply", "-f", str(EXAMPLES / place)).quiet()
    for workload, spec in MORE.items():
        site.kubectl("patch", workload, "-p", json.dumps({"spec": {"template": {"spec": spec}}})).quiet()
    site.kubectl("autoscale", "deployment", "web", "--min=2", "--max=3", "--cpu-percent=80").ok()
    return certificates


def until(problems: Callable[[], list[str]], seconds: float) -> float:
    """Wait until there are none; how long it took. Raises AssertionError with the last ones."""
    began = time.monotonic()
    while found := problems():
        assert time.monotonic() - began < seconds, "\n".join(found)
        time.sleep(1.0)
    return time.monotonic() - began
