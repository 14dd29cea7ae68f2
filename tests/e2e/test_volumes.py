"""Claims served by the driver inside the agent: data that lasts, of the size that was asked for, and nothing left."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from e2e.host import Cluster
from e2e.storage import Namespaced, claim, claimed, loop_devices, storage_class, until, user

pytestmark = [pytest.mark.containers, pytest.mark.timeout(300)]
LOCAL = "local.longboat.dev"


@pytest.fixture
def here(cluster: Cluster, namespace: str) -> Namespaced:
    return Namespaced(cluster, namespace)


def images(here: Namespaced) -> list[Path]:
    return sorted(here.cluster.host.data.glob("nodes/*/volumes/*.img"))


def test_data_outlives_the_pod_and_goes_with_the_claim(here: Namespaced) -> None:
    here.apply(claim("data"), user("p", claimed(), securityContext={"fsGroup": 4242}))
    here.ready("p")
    here.sh("p", "echo kept > /data/file")
    assert here.sh("p", "stat -c '%g %a' /data").split() == ["4242", "2775"]
    assert here.sh("p", "ls -A /data") == "file\n"  # no lost+found: databases want an empty directory
    first = here.get("pod", "p")["spec"]["nodeName"]
    here.delete("pod", "p")
    assert loop_devices(here.cluster.host.data) == []
    here.apply(user("p", claimed()))
    here.ready("p")
    assert here.sh("p", "cat /data/file") == "kept\n"
    assert here.get("pod", "p")["spec"]["nodeName"] == first

    # What does not fit is refused, and disturbs nothing.
    assert "No space left on device" in here.fails("p", "dd if=/dev/zero of=/data/big bs=1M count=100")
    assert here.sh("p", "rm /data/big; cat /data/file") == "kept\n"
    here.delete("pod", "p")
    volume = here.get("pvc", "data")["spec"]["volumeName"]
    here.delete("pvc", "data")
    until(lambda: not [path for path in images(here) if volume in path.name], "the image is still there")
    assert here.cluster.kubectl("get", "pv", volume).code == 1


def test_parts_of_a_volume_and_several_pods(here: Namespaced) -> None:
    here.apply(claim("data"))
    pod = user("p", claimed(), command="echo from-p > /data/file; sleep 1000000")
    mounts = pod["spec"]["containers"][0]["volumeMounts"]
    mounts.append({"name": "data", "mountPath": "/part", "subPath": "deep/er"})
    here.apply(pod)
    here.ready("p")
    here.sh("p", "echo part > /part/file")
    assert here.sh("p", "cat /data/deep/er/file") == "part\n"
    node = here.get("pod", "p")["spec"]["nodeName"]
    here.apply(user("q", claimed(), node=node), user("reader", claimed(readOnly=True), node=node))
    here.ready("q", "reader")
    assert here.sh("q", "cat /data/file /data/deep/er/file") == "from-p\npart\n"
    assert "Read-only file system" in here.fails("reader", "touch /data/no")
    here.delete("pod", "p", "reader")
    assert here.sh("q", "echo still > /data/file; cat /data/file") == "still\n"
    here.delete("pod", "q")


def test_a_volume_of_the_pod_goes_with_the_pod(here: Namespaced) -> None:
    template = {"spec": claim("x")["spec"]}
    here.apply(user("p", {"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}))
    here.ready("p")
    here.sh("p", "echo x > /scratch/file")
    volume = here.get("pvc", "p-scratch")["spec"]["volumeName"]
    here.delete("pod", "p")
    until(lambda: here.cluster.kubectl("get", "pv", volume).code == 1, "the volume is still there")
    assert not [path for path in images(here) if volume in path.name]


def test_a_device_is_passed_into_the_container(here: Namespaced) -> None:
    here.apply(claim("disk", volumeMode="Block"), user("p", {**claimed("disk", "disk"), "device": True}))
    here.ready("p")
    assert here.sh("p", "echo raw > /dev/disk; head -c 4 /dev/disk") == "raw\n"
    assert int(here.sh("p", "blockdev --getsize64 /dev/disk")) == 64 << 20
    here.delete("pod", "p")
    assert loop_devices(here.cluster.host.data) == []
    here.apply(user("p", {**claimed("disk", "disk"), "device": True}))
    here.ready("p")
    assert here.sh("p", "head -c 4 /dev/disk") == "raw\n"
    mounted = user("q", claimed("disk", "disk"), node=here.get("pod", "p")["spec"]["nodeName"])
    here.apply(mounted)
    here.told("q", "FailedMount", "volume disk has volumeMode Block, but is specified in volumeMounts")
    here.delete("pod", "p", "q")


def test_more_than_the_disk_has_is_refused(here: Namespaced) -> None:
    here.apply(claim("huge", "900Ti"), user("p", claimed("data", "huge")))
    said = here.told("huge", "ProvisioningFailed", "code = ResourceExhausted")
    assert "not enough room" in said
    assert here.get("pod", "p")["status"]["phase"] == "Pending"


@pytest.mark.skipif(not shutil.which("mkfs.xfs"), reason="needs xfsprogs")
def test_a_volume_grows_while_it_is_used(here: Namespaced) -> None:
    name = "xfs-that-grows"
    here.apply(storage_class(name, LOCAL, parameters={"csi.storage.k8s.io/fstype": "xfs"}))
    here.apply(claim("data", "400Mi", name), user("p", claimed()))
    here.ready("p")
    here.sh("p", "echo kept > /data/file")
    here.ask_for("data", "800Mi")
    until(lambda: here.get("pvc", "data")["status"]["capacity"]["storage"] == "800Mi", "it has not grown", 30)
    assert int(here.sh("p", "df -m /data | tail -1 | awk '{print $2}'")) > 600
    assert here.sh("p", "cat /data/file") == "kept\n"
    assert "FileSystemResizeSuccessful" in [reason for reason, _ in here.events("p")]
    assert here.get("pvc", "data")["status"].get("conditions", []) == []
    here.delete("pod", "p")
    here.delete("storageclass", name)


def test_a_volume_that_cannot_grow_in_use_grows_when_it_is_mounted_next(here: Namespaced) -> None:
    here.apply(claim("data"), user("p", claimed()))
    here.ready("p")
    here.sh("p", "echo kept > /data/file")
    here.delete("pod", "p")
    here.ask_for("data", "200Mi")
    until(lambda: here.get("pvc", "data")["status"].get("conditions"), "the controller has not done its part")
    here.apply(user("p", claimed()))
    here.ready("p")
    until(lambda: here.get("pvc", "data")["status"]["capacity"]["storage"] == "200Mi", "it has not grown", 30)
    assert int(here.sh("p", "df -m /data | tail -1 | awk '{print $2}'")) > 150
    assert here.sh("p", "cat /data/file") == "kept\n"
    here.delete("pod", "p")


def test_an_agent_that_dies_leaves_volumes_alone_and_takes_them_down_later(here: Namespaced) -> None:
    here.apply(claim("data"), user("p", claimed(), command="while true; do date >> /data/log; sleep 0.1; done"))
    here.ready("p")
    node = here.get("pod", "p")["spec"]["nodeName"]
    pid = next(p["pid"] for p in here.cluster.status()["processes"] if p["name"] == node)
    os.kill(pid, signal.SIGKILL)

    until(lambda: here.cluster.kubectl("exec", "p", "--", "true").code == 0, "the agent does not come back")
    before = int(here.sh("p", "wc -l < /data/log"))
    until(lambda: int(here.sh("p", "wc -l < /data/log")) > before, "nothing is written any more")
    here.delete("pod", "p")
    assert loop_devices(here.cluster.host.data) == []
    here.apply(user("p", claimed()))
    here.ready("p")
    assert int(here.sh("p", "wc -l < /data/log")) >= before
    here.delete("pod", "p")


def storage_limit(limit: str) -> dict[str, Any]:
    return {"resources": {"limits": {"ephemeral-storage": limit}}}


def test_a_pod_that_takes_more_of_the_disk_than_it_may_loses_its_place(here: Namespaced) -> None:
    scratch = {"name": "scratch", "emptyDir": {"sizeLimit": "1Mi"}}
    fill = "head -c 30000000 /dev/zero > {}; sleep 100000"
    layer = user("layer", command=fill.format("/root/file"))
    layer["spec"]["containers"][0] |= storage_limit("10Mi")
    logger = user("logger", command="head -c 4000000 /dev/zero | tr '\\0' 'x'; sleep 100000")
    logger["spec"]["containers"][0] |= storage_limit("2Mi")
    beside = {**logger["spec"]["containers"][0], "name": "beside", "command": ["sleep", "100000"]}
    logger["spec"]["containers"].append(beside | storage_limit("100Mi"))
    modest = user("modest", scratch, command="head -c 500000 /dev/zero | tee /scratch/a /root/file; sleep 100000")
    modest["spec"]["containers"][0] |= storage_limit("10Mi")
    why = {
        "volume": 'Usage of EmptyDir volume "scratch" exceeds the limit "1Mi". ',
        "layer": "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ",
        "logger": 'Container main exceeded its local ephemeral storage limit "2Mi". ',
    }
    here.apply(user("volume", scratch, command=fill.format("/scratch/a")), layer, logger, modest)
    for name, message in why.items():
        until(lambda name=name: here.get("pod", name)["status"]["phase"] == "Failed", f"{name} runs on", 60)
        status = here.get("pod", name)["status"]
        assert (status["reason"], status["message"]) == ("Evicted", message)
        assert not any("running" in container["state"] for container in status["containerStatuses"])
        assert here.told(name, "Evicted", message[:20]) == message
    assert here.get("pod", "modest")["status"]["phase"] == "Running"


def test_memory_has_its_size(here: Namespaced) -> None:
    scratch = {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}
    here.apply(user("p", scratch))
    here.ready("p")
    here.fails("p", "head -c 3000000 /dev/zero > /scratch/a")
    assert int(here.sh("p", "du -k /scratch/a").split()[0]) <= 1024


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no-map": ({"configMap": {"name": "none"}}, 'MountVolume.SetUp failed for volume "v" : configmap "none" not found'),
    "no-key": ({"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "none", "path": "p"}]}},
               'MountVolume.SetUp failed for volume "v" : configmap references non-existent config key: none'),
    "clash": ({"configMap": {"name": "kube-root-ca.crt",
                             "items": [{"key": "ca.crt", "path": "p"}, {"key": "ca.crt", "path": "p/q"}]}},
              "MountVolume.SetUp failed for volume \"v\" : conflicting paths in volume: 'p' and 'p/q'"),
    "dots": ({"secret": {"secretName": ".."}}, "invalid resource name \"..\": [may not be '..']"),
    "no-file": ({"hostPath": {"path": "/none", "type": "File"}},
                'MountVolume.SetUp failed for volume "v" : hostPath type check failed: /none is not a file'),
    "unknown": ({"fc": {"targetWWNs": ["500a0982991b8dc5"], "lun": 1}},
                "Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], "
                'failed to process volumes=[v]: failed to get Plugin from volumeSpec for volume "v" '
                "err=no volume plugin matched"),
    "git": ({"gitRepo": {"repository": "https://example.com/x.git"}},
            'MountVolume.SetUp failed for volume "v" : git-repo volume plugin has been disabled'),
    "no-claim": ({"persistentVolumeClaim": {"claimName": "none"}},
                 "Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], "
                 "failed to process volumes=[v]: error processing PVC {namespace}/none: failed to fetch PVC from API "
                 'server: persistentvolumeclaims "none" not found'),
}  # fmt: skip


def test_what_cannot_be_mounted_is_told_in_the_kubelets_words(here: Namespaced) -> None:
    for name, (source, _) in WRONG.items():
        pod = user(name, {"name": "v", **source}, node="node-1")
        here.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(pod)).ok()  # some are warned of
    for name, (_, words) in WRONG.items():
        said = here.told(name, "FailedMount", words.format(namespace=here.namespace))
        assert said.endswith(words.format(namespace=here.namespace))
        assert here.get("pod", name)["status"]["phase"] == "Pending"
    here.apply(user("fine", {"name": "v", "emptyDir": {}}, node="node-1"))
    here.ready("fine")
    here.delete("pod", "fine", *WRONG)
