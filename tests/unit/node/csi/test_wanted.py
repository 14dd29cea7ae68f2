"""What a driver is asked for, from what pods and volumes say."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from longboat.api.storage import CSISource, Volume, VolumeSpec
from longboat.controllers.volumes import attachment
from longboat.node.csi.drivers import Driver
from longboat.node.csi.wanted import attachment_name, capability, inline, pod_attributes, takes_group, unique_name
from longboat.node.views.storage import CSIDriverSpec
from unit.node.build import pod
from unit.node.csi.fake import NAME, Remembering, csi, wanted


def driver(*capabilities: str) -> Driver:
    return Driver(name=NAME, plugin=Remembering(), node_id="id", capabilities=frozenset(capabilities))


@pytest.mark.parametrize(
    ("mode", "capabilities", "found"),
    [
        ("ReadWriteOnce", (), "SINGLE_NODE_WRITER"),
        ("ReadWriteOnce", ("SINGLE_NODE_MULTI_WRITER",), "SINGLE_NODE_MULTI_WRITER"),
        ("ReadWriteOncePod", (), "SINGLE_NODE_WRITER"),
        ("ReadWriteOncePod", ("SINGLE_NODE_MULTI_WRITER",), "SINGLE_NODE_SINGLE_WRITER"),
        ("ReadOnlyMany", (), "MULTI_NODE_READER_ONLY"),
        ("ReadWriteMany", (), "MULTI_NODE_MULTI_WRITER"),
    ],
)
def test_access_modes(mode: str, capabilities: tuple[str, ...], found: str) -> None:
    asked = capability(_with(access_modes=(mode,)), driver(*capabilities))
    assert asked.access_mode.mode == csi.VolumeCapability.AccessMode.Mode.Value(found)


def _with(**more: Any) -> Any:
    return msgspec.structs.replace(wanted(), **more)


def test_a_group_is_passed_on_to_drivers_that_see_to_it() -> None:
    given = _with(fs_type="ext4", mount_options=("noatime",))
    assert capability(given, driver(), 7).mount.volume_mount_group == ""
    able = capability(given, driver("VOLUME_MOUNT_GROUP"), 7).mount
    assert (able.volume_mount_group, able.fs_type, list(able.mount_flags)) == ("7", "ext4", ["noatime"])


@pytest.mark.parametrize(
    ("policy", "more", "capabilities", "group", "takes"),
    [
        ("ReadWriteOnceWithFSType", {"fs_type": "ext4"}, (), 7, True),
        ("ReadWriteOnceWithFSType", {"fs_type": "ext4"}, (), None, False),
        ("ReadWriteOnceWithFSType", {}, (), 7, False),
        ("ReadWriteOnceWithFSType", {"fs_type": "ext4", "access_modes": ("ReadWriteMany",)}, (), 7, False),
        ("ReadWriteOnceWithFSType", {"fs_type": "ext4", "access_modes": ("ReadWriteOncePod",)}, (), 7, True),
        ("File", {"access_modes": ("ReadWriteMany",)}, (), 7, True),
        ("File", {"read_only": True}, (), 7, False),
        ("File", {"is_block": True}, (), 7, False),
        ("File", {}, ("VOLUME_MOUNT_GROUP",), 7, False),
        ("None", {"fs_type": "ext4"}, (), 7, False),
    ],
)
def test_whose_the_files_become(
    policy: str, more: dict[str, Any], capabilities: tuple[str, ...], group: int | None, takes: bool
) -> None:
    assert takes_group(_with(**more), driver(*capabilities), CSIDriverSpec(fsGroupPolicy=policy), group) is takes


def test_what_a_driver_is_told_of_the_pod() -> None:
    given = pod("p", serviceAccountName="sa")
    assert pod_attributes(given, wanted(), CSIDriverSpec()) == {}
    assert pod_attributes(given, wanted(), CSIDriverSpec(podInfoOnMount=True)) == {
        "csi.storage.k8s.io/pod.name": "p",
        "csi.storage.k8s.io/pod.namespace": "default",
        "csi.storage.k8s.io/pod.uid": given.uid,
        "csi.storage.k8s.io/serviceAccount.name": "sa",
        "csi.storage.k8s.io/ephemeral": "false",
    }


def test_names_that_others_know_too() -> None:
    """The attach/detach controller and drivers compute the same."""
    volume = Volume(spec=VolumeSpec(csi=CSISource(driver="disks", volumeHandle="handle")))
    assert attachment_name("disks", "handle", "n") == attachment.attachment_name(volume, "n")
    assert unique_name("disks", "handle") == attachment.unique_name(volume)
    given = pod("p", volumes=[{"name": "v", "csi": {"driver": "disks", "nodePublishSecretRef": {"name": "s"}}}])
    made = inline(given, given.spec.volumes[0])
    assert made.handle.startswith("csi-") and made.is_ephemeral
    assert made.publish_secret is not None and made.publish_secret.namespace == "default"
