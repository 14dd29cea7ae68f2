"""Parts of volumes, named by variables (sig-node)."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.node.pods import PATIENT, SLEEP, Pods, container, pod, state
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]

OF_POD = {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
OF_NOTE = {"name": "ANNOTATION", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['mysubpath']"}}}


def parted(name: str, script: str, env: list[Object], expression: str, **more: Any) -> Object:
    """A pod with a volume at /volume_mount, and the part of it that the expression names at /subpath_mount."""
    mounts = [
        {"name": "workdir", "mountPath": "/subpath_mount", "subPathExpr": expression},
        {"name": "workdir", "mountPath": "/volume_mount"},
    ]
    main = container(script, env=env, volumeMounts=mounts)
    return pod(name, main, volumes=[{"name": "workdir", "emptyDir": {}}], **more)


START = [
    parted("expanded", "test -d /volume_mount/expanded && touch /subpath_mount/file && ls /volume_mount/expanded",
           [OF_POD], "$(POD_NAME)"),
    parted("backticks", SLEEP, [{"name": "POD_NAME", "value": "../`hostname`"}], "$(POD_NAME)"),
    parted("absolute", SLEEP, [{"name": "POD_NAME", "value": "/tmp"}], "$(POD_NAME)"),
    parted("writes", PATIENT, [OF_POD, OF_NOTE], "$(ANNOTATION)/$(POD_NAME)", annotations={"mysubpath": "mypath"},
           terminationGracePeriodSeconds=30),
    parted("repaired", PATIENT, [OF_POD, OF_NOTE], "$(ANNOTATION)/$(POD_NAME)", annotations={"notmysubpath": "mypath"},
           terminationGracePeriodSeconds=30),
]  # fmt: skip


def test_an_expression(pods: Pods) -> None:
    """Conformance: VolumeSubpathEnvExpansion, subpath expansion"""
    assert pods.said("expanded") == ["file"]


def fails(pods: Pods, name: str, why: str) -> None:
    """Its container is not started, again and again."""
    found = pods.until(name, lambda pod: "Failed" in [reason for reason, _ in pods.events(name)])
    assert state(found)["state"]["waiting"] == {"reason": "CreateContainerConfigError", "message": why}
    assert found["status"]["phase"] == "Pending" and state(found)["restartCount"] == 0


def test_a_way_out(pods: Pods) -> None:
    """Conformance: VolumeSubpathEnvExpansion, subpath with backticks"""
    fails(pods, "backticks", 'unable to provision SubPath `../`hostname``: must not contain ".."')


def test_an_absolute_path(pods: Pods) -> None:
    """Conformance: VolumeSubpathEnvExpansion, subpath with absolute path"""
    fails(pods, "absolute", "error SubPath `/tmp` must not be an absolute path")


def annotate(pods: Pods, name: str, value: str) -> None:
    pods.api.patch(pods.path(name), {"metadata": {"annotations": {"mysubpath": value}}})


def test_writes(pods: Pods) -> None:
    """Conformance: VolumeSubpathEnvExpansion, subpath test writes"""
    pods.until("writes", lambda pod: pod["status"].get("phase") == "Running")
    pods.sh("writes", "echo words > /subpath_mount/test.log")
    assert pods.sh("writes", "cat /volume_mount/mypath/writes/test.log") == "words\n"
    annotate(pods, "writes", "mynewpath")  # another expansion would be found no more; the volume goes even so
    assert pods.until("writes", lambda pod: True)["status"]["phase"] == "Running"
    pods.delete("writes")  # with a grace: it is gone once its node has put everything away
    pods.until_gone("writes")


def test_a_failed_expression_can_be_repaired(pods: Pods) -> None:
    """Conformance: VolumeSubpathEnvExpansion, subpath ready from failed state"""
    fails(pods, "repaired", "error SubPath `/repaired` must not be an absolute path")
    annotate(pods, "repaired", "mypath")
    found = pods.until("repaired", lambda pod: pod["status"].get("phase") == "Running")
    assert state(found)["restartCount"] == 0
    pods.sh("repaired", "test -d /volume_mount/mypath/repaired")
    pods.delete("repaired")
    pods.until_gone("repaired")
