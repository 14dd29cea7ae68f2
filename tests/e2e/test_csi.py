"""A CSI driver of somebody else's (tests/csi), one process on each node: everything the interface is for."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.host import Cluster
from e2e.storage import Namespaced, claim, claimed, loop_devices, storage_class, until, user

pytestmark = [pytest.mark.containers, pytest.mark.timeout(300)]
NAME = "disks.csi.test"
PROGRAM = Path(__file__).parents[1] / "csi" / "driver.py"
SCOPE = "csi.longboat.dev/controller-scope"
NODES = ("node-1", "node-2")


class Driver:
    """Its processes, one on each node, and what they have noted."""

    def __init__(self, cluster: Cluster, state: Path) -> None:
        self.cluster, self.state = cluster, state
        self._running: dict[str, subprocess.Popen[str]] = {}

    def start(self, node: str) -> None:
        self._running[node] = self._start(node, PROGRAM, "--node", node, "--state", str(self.state))
        self.await_registration(node)

    def start_sidecars(self, node: str) -> None:
        self._running["sidecars"] = self._start(node, PROGRAM.with_name("sidecars.py"))

    def _start(self, node: str, program: Path, *options: str) -> subprocess.Popen[str]:
        pin = self.cluster.host.data / "run" / "ns" / node / "mnt"
        command = ("nsenter", f"--mount={pin}", sys.executable, str(program), "--name", NAME, *options)
        return self.cluster.host.start(*command, stdout=subprocess.PIPE)

    def give(self, scope: str) -> None:
        """Say whose it is: with a scope, our controllers'. "" takes that back. Nodes have heard of it then."""
        note = f"{SCOPE}={scope}" if scope else f"{SCOPE}-"
        self.cluster.kubectl("annotate", "csidriver", NAME, note, "--overwrite").ok()
        for node in NODES:
            until(lambda node=node: (NAME in self.listed(node)) == bool(scope), f"{node} has not heard of it")

    def listed(self, node: str) -> list[str]:
        """The drivers that a node says our controllers can call through it."""
        notes = self.cluster.get("csinode", node)["metadata"].get("annotations") or {}
        return str(notes.get("csi.longboat.dev/controller", "")).split(",")

    def await_registration(self, node: str) -> None:
        until(lambda: NAME in self.on(node), f"{NAME} is not registered on {node}")

    def on(self, node: str) -> dict[str, Any]:
        """The drivers of a node's CSINode."""
        return {each["name"]: each for each in self.cluster.get("csinode", node)["spec"].get("drivers") or ()}

    def stop(self, node: str) -> None:
        process = self._running.pop(node)
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        if process.stdout:
            process.stdout.close()

    def kill(self, node: str) -> None:
        """Its sockets stay behind."""
        process = self._running.pop(node)
        process.kill()
        process.wait(10)
        if process.stdout:
            process.stdout.close()

    def close(self) -> None:
        for node in list(self._running):
            self.stop(node)

    def calls(self, volume: str) -> list[tuple[str, str]]:
        """(node, procedure) of the calls for a volume."""
        return [(call["node"], call["rpc"]) for call in self._noted() if _volume(call) == volume]

    def called_by(self, volume: str) -> list[tuple[str, str]]:
        """(procedure, by whom) of the calls of the controller service for a volume."""
        found = [(call["rpc"], call["by"]) for call in self._noted() if _volume(call) == volume]
        return [(rpc, by) for rpc, by in found if not rpc.startswith("Node")]

    def request(self, rpc: str, volume: str) -> dict[str, Any]:
        """The last of its kind."""
        found = [call["request"] for call in self._noted() if call["rpc"] == rpc and _volume(call) == volume]
        assert found, f"no {rpc} for {volume}"
        last: dict[str, Any] = found[-1]
        return last

    def fail(self, **rpcs: tuple[str, str]) -> None:
        (self.state / "fail.json").write_text(json.dumps(rpcs))

    def _noted(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.state / "calls.jsonl").read_text().splitlines()]


def _volume(call: dict[str, Any]) -> str:
    return str(call["request"].get("volume_id") or call["request"].get("name") or "")


@pytest.fixture(scope="module")
def driver(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    made = Driver(cluster, tmp_path_factory.mktemp("disks"))
    try:
        for node in NODES:
            made.start(node)
        spec = {
            "attachRequired": True, "podInfoOnMount": True, "fsGroupPolicy": "File",
            "volumeLifecycleModes": ["Persistent", "Ephemeral"], "tokenRequests": [{"audience": "disks"}],
            "serviceAccountTokenInSecrets": False,
        }  # fmt: skip
        described = {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": NAME}, "spec": spec}
        parameters = {
            "colour": "red",
            "csi.storage.k8s.io/node-stage-secret-name": "disks",
            "csi.storage.k8s.io/node-stage-secret-namespace": "${pvc.namespace}",
        }
        cluster.apply(described, storage_class("disks", NAME, parameters=parameters))
        made.give("cluster")
        yield made
        assert loop_devices(made.state) == []
    finally:
        made.close()


@pytest.fixture
def here(driver: Driver, cluster: Cluster, namespace: str) -> Iterator[Namespaced]:
    found = Namespaced(cluster, namespace)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "disks"}, "stringData": {"key": "sesame"}}
    found.apply(secret)
    yield found
    driver.fail()


def test_a_driver_that_registers_is_told_of(cluster: Cluster, driver: Driver) -> None:
    assert driver.on("node-1")[NAME]["nodeID"] == "id-of-node-1"
    assert driver.on("node-1")[NAME]["allocatable"] == {"count": 20}
    assert driver.listed("node-1") == [NAME, "local.longboat.dev"]
    ids = cluster.get("node", "node-1")["metadata"]["annotations"]["csi.volume.kubernetes.io/nodeid"]
    assert json.loads(ids)[NAME] == "id-of-node-1"


def test_a_volume_is_attached_staged_published_and_follows_its_pod(here: Namespaced, driver: Driver) -> None:
    here.apply(claim("data", storage_class="disks"), user("p", claimed(), node="node-1"))
    here.ready("p")
    here.sh("p", "echo kept > /data/file")
    volume = here.get("pvc", "data")["spec"]["volumeName"]
    listed = list(dict.fromkeys(rpc for _, rpc in driver.calls(volume)))
    assert listed == ["CreateVolume", "ControllerPublishVolume", "NodeStageVolume", "NodePublishVolume"]
    assert "SuccessfulAttachVolume" in [reason for reason, _ in here.events("p")]
    unique = f"kubernetes.io/csi/{NAME}^{volume}"
    assert unique in here.get("node", "node-1")["status"]["volumesInUse"]

    staged, published = driver.request("NodeStageVolume", volume), driver.request("NodePublishVolume", volume)
    assert staged["secrets"] == {"key": "sesame"} and "secrets" not in published
    assert staged["publish_context"] == {"slot": "slot-of-id-of-node-1"}
    assert staged["volume_context"]["colour"] == "red"
    assert published["volume_context"]["csi.storage.k8s.io/pod.name"] == "p"
    assert published["volume_context"]["csi.storage.k8s.io/ephemeral"] == "false"
    tokens = json.loads(published["volume_context"]["csi.storage.k8s.io/serviceAccount.tokens"])
    assert tokens["disks"]["token"].count(".") == 2 and tokens["disks"]["expirationTimestamp"]

    # A second pod on the node shares what is staged; one elsewhere has to wait for it.
    here.apply(user("q", claimed(), node="node-1"), user("r", claimed(), node="node-2"))
    here.ready("q")
    assert [rpc for _, rpc in driver.calls(volume)].count("NodeStageVolume") == 1
    here.told("r", "FailedAttachVolume", f'Multi-Attach error for volume "{volume}"')
    here.delete("pod", "p")
    assert here.sh("q", "cat /data/file") == "kept\n"
    here.delete("pod", "q")
    here.ready("r")
    assert here.sh("r", "cat /data/file") == "kept\n"
    assert unique not in here.get("node", "node-1")["status"].get("volumesInUse", [])
    order = [rpc for node, rpc in driver.calls(volume) if node == "node-1" and rpc.startswith("Node")]
    assert order[-2:] == ["NodeUnpublishVolume", "NodeUnstageVolume"]

    here.delete("pod", "r")
    here.delete("pvc", "data")
    until(lambda: here.cluster.kubectl("get", "pv", volume).code == 1, "the volume is still there")
    assert driver.calls(volume)[-1][1] == "DeleteVolume"
    assert not list(driver.state.glob("pvc-*"))


def test_a_driver_that_brings_sidecars_is_left_to_them(here: Namespaced, driver: Driver) -> None:
    """It answers for its controller on the same socket, as hostpath's, NFS', SMB's and LVM's do."""
    driver.give("")
    driver.start_sidecars("node-1")
    here.apply(claim("data", storage_class="disks"), user("p", claimed(), node="node-1"))
    here.ready("p")
    volume = here.get("pvc", "data")["spec"]["volumeName"]
    here.ask_for("data", "80Mi")
    until(lambda: here.get("pv", volume)["spec"]["capacity"]["storage"] == "80Mi", "it has not grown")
    here.delete("pod", "p")
    here.delete("pvc", "data")
    until(lambda: here.cluster.kubectl("get", "pv", volume).code == 1, "the volume is still there")
    expected = [
        "CreateVolume", "ControllerPublishVolume", "ControllerExpandVolume", "ControllerUnpublishVolume",
        "DeleteVolume",
    ]  # fmt: skip
    assert driver.called_by(volume) == [(rpc, "sidecar") for rpc in expected]
    driver.stop("sidecars")

    # Without them nothing happens, and the claim says what it waits for; given to our controllers it is served.
    here.apply(claim("more", storage_class="disks"))
    here.told("more", "ExternalProvisioning", f"either by the external provisioner '{NAME}' or manually by")
    assert here.get("pvc", "more")["status"]["phase"] == "Pending"
    driver.give("cluster")
    until(lambda: here.get("pvc", "more")["status"]["phase"] == "Bound", "it is not served", 10)
    volume = here.get("pvc", "more")["spec"]["volumeName"]
    here.delete("pvc", "more")
    until(lambda: here.cluster.kubectl("get", "pv", volume).code == 1, "the volume is still there")
    assert driver.called_by(volume) == [("CreateVolume", ""), ("DeleteVolume", "")]


def test_a_device_of_the_driver(here: Namespaced, driver: Driver) -> None:
    here.apply(
        claim("disk", storage_class="disks", volumeMode="Block"),
        user("p", {**claimed("disk", "disk"), "device": True}, node="node-1"),
    )
    here.ready("p")
    assert here.sh("p", "echo raw > /dev/disk; sync; head -c 4 /dev/disk") == "raw\n"
    volume = here.get("pvc", "disk")["spec"]["volumeName"]
    assert driver.request("NodeStageVolume", volume)["volume_capability"]["block"] == {}
    here.delete("pod", "p")
    here.apply(user("p", {**claimed("disk", "disk"), "device": True}, node="node-2"))
    here.ready("p")
    assert here.sh("p", "head -c 4 /dev/disk") == "raw\n"
    here.delete("pod", "p")
    here.delete("pvc", "disk")


def test_a_volume_in_the_pod_itself(here: Namespaced, driver: Driver) -> None:
    inline = {
        "name": "scratch",
        "csi": {
            "driver": NAME, "volumeAttributes": {"shape": "round"}, "nodePublishSecretRef": {"name": "disks"},
        },
    }  # fmt: skip
    here.apply(user("p", inline))
    here.ready("p")
    told = json.loads(here.sh("p", "cat /scratch/told.json"))
    assert told["secrets"] == {"key": "sesame"}
    assert told["volume_context"]["shape"] == "round"
    assert told["volume_context"]["csi.storage.k8s.io/ephemeral"] == "true"
    assert told["volume_id"].startswith("csi-") and "staging_target_path" not in told
    here.delete("pod", "p")
    assert [rpc for _, rpc in driver.calls(told["volume_id"])][-1] == "NodeUnpublishVolume"
    assert not list(driver.state.glob("*.scratch"))
    local = {"name": "scratch", "csi": {"driver": "local.longboat.dev"}}
    here.apply(user("q", local))
    words = 'volume mode "Ephemeral" not supported by driver local.longboat.dev (only supports ["Persistent"])'
    here.told("q", "FailedMount", words)
    here.delete("pod", "q")


def test_what_fails_is_told_and_tried_again(here: Namespaced, driver: Driver) -> None:
    driver.fail(NodeStageVolume=("INTERNAL", "no power"))
    here.apply(claim("data", storage_class="disks"), user("p", claimed(), node="node-1"))
    said = here.told("p", "FailedMount", "no power")
    volume = here.get("pvc", "data")["spec"]["volumeName"]
    assert said == f'MountVolume.MountDevice failed for volume "{volume}" : rpc error: code = Internal desc = no power'
    driver.fail(NodePublishVolume=("INTERNAL", "no door"))
    said = here.told("p", "FailedMount", "no door")
    assert said == f'MountVolume.SetUp failed for volume "{volume}" : rpc error: code = Internal desc = no door'
    driver.fail()
    here.ready("p")

    # A pod whose volume cannot be taken down is not gone, and its data is where it was.
    driver.fail(NodeUnpublishVolume=("INTERNAL", "stuck"))
    here.sh("p", "echo kept > /data/file")
    assert here.cluster.kubectl("delete", "pod", "p", "--timeout=4s").code == 1
    driver.fail()
    here.delete("pod", "p")
    here.apply(user("p", claimed(), node="node-2"))
    here.ready("p")
    assert here.sh("p", "cat /data/file") == "kept\n"
    here.delete("pod", "p")
    here.delete("pvc", "data")


def test_a_driver_that_dies_is_waited_for(here: Namespaced, driver: Driver) -> None:
    here.apply(claim("data", storage_class="disks"), claim("more", storage_class="disks"))
    here.apply(user("p", claimed(), node="node-2"))
    here.ready("p")
    driver.stop("node-2")
    until(lambda: NAME not in driver.on("node-2"), "it is still in CSINode")
    assert here.sh("p", "echo fine > /data/file; cat /data/file") == "fine\n"
    inline = {"name": "scratch", "csi": {"driver": NAME}}
    here.apply(user("q", inline, node="node-2"))
    here.told("q", "FailedMount", f"driver name {NAME} not found in the list of registered CSI drivers")
    driver.start("node-2")
    here.ready("q")
    here.delete("pod", "p", "q")
    here.delete("pvc", "data", "more")


def test_a_driver_that_is_killed_disturbs_nobody_else(here: Namespaced, driver: Driver) -> None:
    """Its sockets stay behind, as after a crash; and there is one that no driver made."""
    here.apply(claim("data", storage_class="disks"), user("p", claimed(), node="node-2"))
    here.ready("p")
    registry = here.cluster.host.data / "nodes" / "node-2" / "kubelet" / "plugins_registry"
    nonsense = socket.socket(socket.AF_UNIX)
    nonsense.bind(str(registry / "aaa-reg.sock"))
    nonsense.listen()
    driver.kill("node-2")
    other = user("other", claimed("data", "other"), nodeSelector={"kubernetes.io/hostname": "node-2"})
    here.apply(claim("other"), other, user("q", {"name": "scratch", "csi": {"driver": NAME}}, node="node-2"))
    here.ready("other")
    assert here.sh("p", "echo fine > /data/file; cat /data/file") == "fine\n"
    dead = "/var/lib/kubelet/plugins/disks.csi.test/csi.sock"
    said = here.told("q", "FailedMount", "code = Unavailable")
    assert said == (
        'MountVolume.SetUp failed for volume "scratch" : rpc error: code = Unavailable desc = connection error: '
        f'desc = "transport: Error while dialing: dial unix {dead}: connect: connection refused"'
    )
    here.cluster.kubectl("delete", "pod", "p", "--wait=false").ok()
    driver.start("node-2")
    here.ready("q")
    nonsense.close()
    (registry / "aaa-reg.sock").unlink()
    until(lambda: here.cluster.kubectl("get", "pod", "p").code == 1, "the pod is still there")
    here.delete("pod", "q", "other")
    here.delete("pvc", "data", "other")


def test_the_next_agent_takes_down_what_this_one_has_mounted(here: Namespaced, driver: Driver) -> None:
    here.apply(claim("data", storage_class="disks"), user("p", claimed(), node="node-1"))
    here.ready("p")
    volume = here.get("pvc", "data")["spec"]["volumeName"]
    pid = next(p["pid"] for p in here.cluster.status()["processes"] if p["name"] == "node-1")
    os.kill(pid, signal.SIGKILL)
    here.cluster.kubectl("delete", "pod", "p", "--wait=false").ok()
    until(lambda: here.cluster.kubectl("get", "pod", "p").code == 1, "the pod is still there", 60)
    until(lambda: ("node-1", "NodeUnstageVolume") in driver.calls(volume), "the volume is still staged")
    assert not loop_devices(driver.state)
    here.delete("pvc", "data")


@pytest.mark.skipif(not shutil.which("mkfs.xfs"), reason="needs xfsprogs")
def test_a_volume_of_the_driver_grows_in_use(here: Namespaced, driver: Driver) -> None:
    parameters = {"csi.storage.k8s.io/fstype": "xfs"}
    here.apply(storage_class("disks-xfs", NAME, parameters=parameters))
    here.apply(claim("data", "320Mi", "disks-xfs"), user("p", claimed(), node="node-1"))
    here.ready("p")
    here.ask_for("data", "640Mi")
    until(lambda: here.get("pvc", "data")["status"]["capacity"]["storage"] == "640Mi", "it has not grown", 90)
    assert int(here.sh("p", "df -m /data | tail -1 | awk '{print $2}'")) > 500
    here.delete("pod", "p")
    here.delete("pvc", "data")
    here.delete("storageclass", "disks-xfs")
