"""Nodes made of namespaces, with a containerd each and no agent: apart, lasting, and gone without a trace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from e2e.host import Done, Host
from images import build
from images.foreign import docker_archive, oci_archive
from longboat.api.families import IPV6, of_family
from longboat.cli.cluster import Cluster, load

pytestmark = [pytest.mark.containers, pytest.mark.slow]

UP = """
import os, sys
from contextlib import ExitStack
from pathlib import Path
from longboat.cli import alive, cluster, nodes, plan, supervisor
found = cluster.load(Path(sys.argv[1]))
os.makedirs(found.run_dir, exist_ok=True)
os.makedirs(found.logs_dir, exist_ok=True)
with ExitStack() as undo:
    found = nodes.prepare(found, undo)
    found.save()
    undo.pop_all()
for process in plan.plan(found):
    record = alive.read(found.run_dir, process.name)
    if process.name.startswith("containerd-") and not (record and alive.is_running(record)):
        pid = supervisor.spawn(process, found.root)
        alive.Running(process.name, pid, alive.start_time(pid), alive.boot_id(), process.argv).save(found.run_dir)
nodes.start_up(found, 20)
"""
DOWN = """
import sys
from pathlib import Path
from longboat.cli import cluster, down, nodes
found = cluster.load(Path(sys.argv[1]))
down.stop_processes(found)
nodes.dismantle(found)
"""
IMPORT = """
import sys
from pathlib import Path
from longboat.cli import cluster, errors, image_import
found = cluster.load(Path(sys.argv[1]))
if sys.argv[3:]:
    image_import.room = lambda cluster, node: int(sys.argv[3])
for node in found.node_names[:1] if sys.argv[3:] else found.node_names:
    try:
        with open(sys.argv[2], "rb") as archive:
            print(image_import.import_image(found, node, archive))
    except errors.Failure as failure:
        print(failure)
"""

GREET = """
import socket
with socket.create_server(("", 7000), family=socket.AF_INET6, dualstack_ipv6=True) as server:
    print("listening", flush=True)
    for _ in range(4):
        with server.accept()[0] as connection:
            connection.send(b"hi")
"""


class LocalNodes:
    def __init__(self, folder: Path) -> None:
        self.host = Host(folder)
        self.place = folder / "data"
        self.place.mkdir()
        Cluster("default", str(self.place), 6443, nodes=2, egress=True).save()

    def script(self, text: str, *args: str) -> str:
        return self.host.run(sys.executable, "-c", text, str(self.place), *args).ok().out

    @property
    def cluster(self) -> Cluster:
        cluster = load(self.place)
        assert cluster is not None
        return cluster

    @property
    def site(self) -> str:
        """What all its IPv6 addresses begin with."""
        return of_family(IPV6, self.cluster.node_cidr).partition("::")[0]

    def on(self, node: str, *args: str) -> Done:
        pins = self.cluster.run_dir / "ns" / node
        return self.host.run("nsenter", f"--net={pins}/net", f"--mount={pins}/mnt", f"--uts={pins}/uts", *args)

    def ctr(self, node: str, *args: str) -> Done:
        return self.on(node, "ctr", "--namespace", "k8s.io", *args)

    def close(self) -> None:
        self.script(DOWN)
        self.host.close()


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNodes]:
    nodes = LocalNodes(tmp_path_factory.mktemp("nodes"))
    nodes.script(UP)
    yield nodes
    nodes.close()


def test_each_node_is_a_place_of_its_own(nodes: LocalNodes) -> None:
    assert nodes.on("node-2", "hostname").quiet() == "node-2\n"
    nodes.on("node-1", "touch", "/run/mine", "/var/lib/kubelet/mine").quiet()
    assert nodes.on("node-2", "ls", "/run/mine").code and not Path("/run/mine").exists()
    assert (nodes.cluster.node_dir("node-1") / "kubelet" / "mine").exists()
    assert not (nodes.cluster.node_dir("node-2") / "kubelet" / "mine").exists()
    assert nodes.on("node-1", "cat", "/proc/sys/net/ipv4/ip_forward").quiet() == "1\n"


def test_nodes_reach_each_other_and_the_host_reaches_them(nodes: LocalNodes) -> None:
    pins = nodes.cluster.run_dir / "ns" / "node-2"
    command = ["nsenter", f"--net={pins}/net", sys.executable, "-c", GREET]
    with nodes.host.start(*command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None and server.stdout.readline()
        ask = "import socket, sys; print(socket.create_connection((sys.argv[1], 7000), 3).recv(9).decode())"
        for address in ("172.30.0.12", f"{nodes.site}::c"):
            assert nodes.on("node-1", sys.executable, "-c", ask, address).quiet() == "hi\n"
            assert nodes.host.run(sys.executable, "-c", ask, address).quiet() == "hi\n"


def test_nothing_unclaimed_leaves_a_node(nodes: LocalNodes) -> None:
    for address in ("10.244.9.9", "10.96.9.9"):
        routes = nodes.on("node-1", "ip", "route", "get", address, "iif", "eth0", "from", "172.30.0.12")
        assert routes.code and "No route to host" in routes.err
    for address in (f"{nodes.site}:199::9", f"{nodes.site}:1::9999"):
        routes = nodes.on("node-1", "ip", "-6", "route", "get", address, "iif", "eth0", "from", f"{nodes.site}::c")
        assert "unreachable" in routes.out + routes.err or "No route to host" in routes.err


def test_no_address_is_waited_for(nodes: LocalNodes) -> None:
    for place in (nodes.on("node-1", "ip", "-6", "addr"), nodes.host.run("ip", "-6", "addr")):
        mine = [line for line in place.quiet().splitlines() if f"{nodes.site}::" in line]
        assert mine and not any("tentative" in line for line in mine)
    assert nodes.on("node-1", "cat", "/proc/sys/net/ipv6/conf/default/accept_dad").quiet() == "0\n"


def test_containers_outlive_their_containerd(nodes: LocalNodes) -> None:
    archive = build.build()["web"]
    assert "longboat.local/web:1" in nodes.script(IMPORT, str(archive))
    nodes.ctr("node-1", "run", "--detach", "longboat.local/web:1", "survivor").ok()
    before = nodes.ctr("node-1", "tasks", "ls").quiet().split()[-2]
    for node in nodes.cluster.node_names:
        pid = json.loads((nodes.cluster.run_dir / f"containerd-{node}.json").read_text())["pid"]
        os.kill(pid, signal.SIGKILL)
    nodes.script(UP)
    task = nodes.ctr("node-1", "tasks", "ls").quiet().split()
    assert task[-3:] == ["survivor", before, "RUNNING"]


def test_archives_are_loaded_however_they_are_compressed(nodes: LocalNodes, tmp_path: Path) -> None:
    """As `docker save | gzip` makes them, and OCI archives with layers that are compressed otherwise."""
    archives = {
        "gzip": docker_archive("t/docker:1"), "zstd": oci_archive("t/oci:1", "zstd"),
        "xz": oci_archive("t/oci:2", "gzip"),
    }  # fmt: skip
    for program, content in archives.items():
        path = tmp_path / program
        path.write_bytes(subprocess.run([program, "-c"], input=content, capture_output=True, check=True).stdout)
        said = nodes.script(IMPORT, str(path), str(64 << 20))
        assert said.startswith(("['t/", "['docker.io/t/")), said
    for name in ("docker.io/t/docker:1", "t/oci:1", "t/oci:2"):
        assert nodes.ctr("node-1", "run", "--rm", name, "x", "cat", "/hello").quiet() == "hello\n"

    # What is cut short, or unpacks to more than there is room for, leaves nothing, whatever containerd had by then.
    before = nodes.ctr("node-1", "images", "ls").quiet(), nodes.ctr("node-1", "content", "ls", "-q").quiet()
    bomb, short = tmp_path / "bomb", tmp_path / "short"
    padded = docker_archive("t/bomb:1", filler=64 << 20)
    bomb.write_bytes(subprocess.run(["zstd", "-c"], input=padded, capture_output=True, check=True).stdout)
    assert nodes.script(IMPORT, str(bomb), str(8 << 20)).count("unpacks to more than 8 MiB, half of what is free") == 1
    short.write_bytes((tmp_path / "gzip").read_bytes()[:-1000])
    assert nodes.script(IMPORT, str(short), str(64 << 20)).count("damaged: unexpected end of file") == 1
    assert before == (nodes.ctr("node-1", "images", "ls").quiet(), nodes.ctr("node-1", "content", "ls", "-q").quiet())


def test_nothing_stays_behind(tmp_path: Path) -> None:
    nodes = LocalNodes(tmp_path)
    before = _traces(nodes)
    try:
        nodes.script(UP)
        nodes.script(IMPORT, str(build.build()["web"]))
        group = f"/{nodes.cluster.cgroup}/node-1/left"
        nodes.ctr("node-1", "run", "--detach", "--cgroup", group, "longboat.local/web:1", "left").ok()
        during = _traces(nodes)
        assert "table ip6 longboat-default" in during["firewall"] and during["cgroups"]
        assert [what for what in during if during[what] == before[what]] == []
    finally:
        nodes.script(DOWN)
    after = _traces(nodes)
    nodes.host.close()
    assert after == before
    assert asdict(nodes.cluster)["nodes"] == 2


def _traces(nodes: LocalNodes) -> dict[str, str]:
    """What a cluster could leave on a machine; of cgroups, which are everybody's, its own."""
    time.sleep(0.2)
    host = nodes.host
    return {
        "links": host.run("ip", "-oneline", "link").out.replace("DOWN", "").replace("UP", ""),
        "routes": host.run("ip", "route", "show", "table", "all").out,
        "routes6": host.run("sh", "-c", "ip -6 route; ip -6 addr").out,
        "firewall": host.run("nft", "list", "ruleset").out,
        "forwarding": host.run("cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding").out,
        "mounts": host.run("cut", "-d", " ", "-f", "5", "/proc/self/mountinfo").out,
        "cgroups": "\n".join(str(path) for path in Path("/sys/fs/cgroup").glob(f"*/{nodes.cluster.cgroup}*")),
    }
