"""Directories of another machine (tests/nfs): a real NFS server, and mount(8) on the nodes."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.host import Cluster
from e2e.manifests import WEB
from e2e.storage import Namespaced, claimed, until, user
from nfs.server import EXPORT, Server
from nfs.tool import Tools, compiled

pytestmark = [
    pytest.mark.containers,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not shutil.which("ganesha.nfsd") or not Path("/usr/include/nfsc/libnfs.h").exists(),
        reason="needs nfs-ganesha and libnfs-dev",
    ),
]
NODES = ("node-1", "node-2")


@pytest.fixture(scope="module")
def server(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(cluster, tmp_path_factory.mktemp("nfs"))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def tools(cluster: Cluster, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    made = Tools(cluster, compiled(tmp_path_factory.mktemp("tool")), NODES)
    try:
        yield made
        for node in NODES:
            assert made.mounted(node) == []
    finally:
        made.close()


@pytest.fixture
def here(cluster: Cluster, tools: Tools, namespace: str) -> Namespaced:
    return Namespaced(cluster, namespace)


def inline(server: str, path: str = EXPORT, name: str = "data", **more: Any) -> dict[str, Any]:
    return {"name": name, "nfs": {"server": server, "path": path, **more}}


def volume(name: str, namespace: str, server: str, *options: str, path: str = EXPORT, **nfs: Any) -> list[Any]:
    """A PersistentVolume, and the claim of its name that it is for."""
    spec = {
        "accessModes": ["ReadWriteMany"], "capacity": {"storage": "1Gi"}, "storageClassName": "",
        "mountOptions": list(options), "nfs": {"server": server, "path": path, **nfs},
    }  # fmt: skip
    claim = {
        "accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "",
        "volumeName": name,
    }  # fmt: skip
    reference = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": name, "namespace": namespace}
    return [
        {
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {**spec, "claimRef": reference},
        },
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": claim},
    ]  # fmt: skip


def place(uid: str, name: str) -> str:
    return f"/var/lib/kubelet/pods/{uid}/volumes/kubernetes.io~nfs/{name}"


def test_one_directory_on_two_nodes_outlives_its_pods(here: Namespaced, server: Server, tools: Tools) -> None:
    server.start()
    here.apply(*volume("shared", here.namespace, server.address, "hard", "noatime"))
    part = {"name": "data", "mountPath": "/part", "subPath": "deep/er"}
    writer = user("writer", claimed("data", "shared"), node="node-1", securityContext={"runAsUser": 4242})
    writer["spec"]["containers"][0]["volumeMounts"].append(part)
    reader = user(
        "reader", inline(server.address), inline(server.address, name="fixed", readOnly=True),
        claimed("same", "shared", readOnly=True), node="node-2",
    )  # fmt: skip
    here.apply(writer, reader)
    here.ready("writer", "reader")
    here.sh("writer", "echo one > /data/file; echo two >> /part/file")
    assert here.sh("reader", "cat /data/file /fixed/deep/er/file /same/file") == "one\ntwo\none\n"
    here.sh("reader", "echo three >> /data/file")
    assert here.sh("writer", "cat /data/file; stat -c %u /data/file") == "one\nthree\n4242\n"
    for fixed in ("/fixed", "/same"):
        assert "Read-only file system" in here.fails("reader", f"touch {fixed}/no")
    (mount,) = (line for line in tools.mounted("node-1") if "volume-subpaths" not in line)
    assert mount.split()[4] == place(here.get("pod", "writer")["metadata"]["uid"], "shared")
    assert f"{server.address}:{EXPORT}" in mount

    # It also outlives a restart of the server while a pod waits for it, and the pods.
    server.stop()
    server.start()
    assert here.sh("writer", "cat /part/file") == "two\n"
    here.delete("pod", "writer", "reader")
    assert tools.mounted("node-1") == tools.mounted("node-2") == []
    assert (server.exported / "deep" / "er" / "file").read_text() == "two\n"
    here.apply(user("next", claimed("data", "shared"), node="node-2"))
    here.ready("next")
    assert here.sh("next", "cat /data/file") == "one\nthree\n"
    here.delete("pod", "next")
    here.delete("pvc", "shared")
    here.delete("pv", "shared")
    assert (server.exported / "file").exists()


def test_what_is_wrong_is_told_in_the_mount_commands_words(here: Namespaced, server: Server, tools: Tools) -> None:
    server.start()
    tools.remove("node-2")
    for name, address, options in (
        ("nobody", server.nobody, ("retry=0",)), ("mistyped", server.address, ("soft", "bogus")),
    ):  # fmt: skip
        here.apply(*volume(name, here.namespace, address, *options), user(name, claimed("data", name), node="node-1"))
    here.apply(user("refused", inline(server.address, "/elsewhere"), node="node-1"))
    here.apply(user("untooled", inline(server.address), node="node-2"))

    said = here.told("refused", "FailedMount", "mount failed")
    where = f"{server.address}:/elsewhere {place(here.get('pod', 'refused')['metadata']['uid'], 'data')}"
    assert said.rstrip("\n") == (
        'MountVolume.SetUp failed for volume "data" : mount failed: exit status 32\nMounting command: mount\n'
        f"Mounting arguments: -t nfs {where}\n"
        f"Output: mount.nfs: access denied by server while mounting {server.address}:/elsewhere"
    )
    said = here.told("mistyped", "FailedMount", "an incorrect mount option was specified")
    assert 'SetUp failed for volume "mistyped"' in said and "-t nfs -o bogus,soft " in said
    here.told("nobody", "FailedMount", "Output: mount.nfs: No route to host")
    said = here.told("untooled", "FailedMount", "mount failed: exit status 32")
    assert "unknown filesystem type 'nfs'" in said or "/sbin/mount.<type> helper" in said

    assert here.get("pod", "refused")["status"]["phase"] == "Pending"
    until(lambda: counted(here, "refused") > 1, "it is not tried again")
    tools.install("node-2")
    here.ready("untooled")
    here.delete("pod", "refused", "mistyped", "nobody", "untooled")
    here.delete("pvc", "mistyped", "nobody")
    here.delete("pv", "mistyped", "nobody")
    server.stop()


def counted(here: Namespaced, pod: str) -> int:
    """How often it has been told that a mount failed."""
    found = here.get("events", f"--field-selector=involvedObject.name={pod},reason=FailedMount")["items"]
    return sum(event.get("count") or 1 for event in found)


def test_many_wait_for_a_server_and_hold_up_nobody(here: Namespaced, server: Server, tools: Tools) -> None:
    """More than the agent has threads, and more than start at once."""
    server.stop()
    container = {"name": "main", "image": WEB, "command": ["sleep", "1000000"]}
    container["volumeMounts"] = [{"name": "data", "mountPath": "/data", "subPath": "of/$(NAME)"}]
    template = {
        "metadata": {"labels": {"app": "waiting"}},
        "spec": {
            "nodeName": "node-1", "containers": [container], "volumes": [inline(server.address)],
            "terminationGracePeriodSeconds": 1,
        },
    }  # fmt: skip
    spec = {"replicas": 10, "selector": {"matchLabels": {"app": "waiting"}}, "template": template}
    head = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "waiting"}}
    here.apply({**head, "spec": spec})
    until(lambda: len(at_work(tools)) >= 10, "ten mount commands should be at work")
    here.apply(user("other", {"name": "scratch", "emptyDir": {}}, node="node-1"))
    here.ready("other", within=20)
    here.sh("other", "echo fine > /scratch/file")
    here.cluster.kubectl("scale", "deployment", "waiting", "--replicas=3").quiet()
    until(lambda: len(here.get("pods", "-l", "app=waiting")["items"]) == 3, "they cannot be deleted")
    until(lambda: len(at_work(tools)) == 3, "mount commands of deleted pods go on")
    server.start()
    here.cluster.kubectl("rollout", "status", "deployment/waiting", "--timeout=60s").ok()
    here.delete("deployment", "waiting")
    here.delete("pod", "-l", "app=waiting")


def at_work(tools: Tools) -> list[str]:
    """The mount commands on node-1."""
    shown = tools.on("node-1", "sh", "-c", "cat /proc/[0-9]*/comm; true").out
    return [name for name in shown.splitlines() if name == "mount"]


def test_a_pod_whose_server_is_dead_can_be_deleted(here: Namespaced, server: Server, tools: Tools) -> None:
    server.start()
    command = "while true; do date >> /data/log; sleep 0.1; done"
    pod = user("p", inline(server.address), node="node-1", command=command)
    pod["spec"]["containers"][0]["volumeMounts"].append({"name": "data", "mountPath": "/part", "subPath": "part"})
    here.apply(pod)
    here.ready("p")
    until((server.exported / "log").exists, "nothing is written")
    server.freeze()
    try:
        here.apply(user("q", inline(server.address), node="node-1"))
        pid = next(p["pid"] for p in here.cluster.status()["processes"] if p["name"] == "node-1")
        os.kill(pid, signal.SIGKILL)  # neither does the next agent look into it
        here.delete("pod", "p")
        assert tools.mounted("node-1") == []
        here.apply(user("other", {"name": "scratch", "emptyDir": {}}, node="node-1"))
        here.ready("other")
    finally:
        server.thaw()
    here.ready("q")
    assert here.sh("q", "tail -1 /data/log")
    here.delete("pod", "q", "other")
