"""The built-in driver: images that are whole or not there, sizes that are kept, devices that go."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.api.storage import LOCAL_DRIVER
from longboat.machinery.protos import messages
from longboat.node import kernel
from longboat.node.csi.errors import RpcFailure
from longboat.node.csi.local import loop
from longboat.node.csi.local.controller import TOPOLOGY_KEY, Controller
from longboat.node.csi.local.images import GRAIN, SMALLEST, DiskImages, MemoryImages, fitting
from longboat.node.csi.local.node import Node

csi = messages("csi.v1")
MIB = 1 << 20


def capability(fs: str | None = "ext4", mode: str = "SINGLE_NODE_WRITER") -> Any:
    access = {"block": {}} if fs is None else {"mount": {"fs_type": fs}}
    return csi.VolumeCapability(**access, access_mode={"mode": mode})


def asked(name: str = "v", size: int = 8 * MIB, **more: Any) -> Any:
    return csi.CreateVolumeRequest(
        name=name, capacity_range={"required_bytes": size}, volume_capabilities=[more.pop("capability", capability())],
        **more,
    )  # fmt: skip


async def refused(work: Awaitable[Any], code: str) -> str:
    with pytest.raises(RpcFailure) as caught:
        await work
    assert caught.value.code == code, caught.value
    return caught.value.message


def test_making_a_volume(tmp_path: Path) -> None:
    async def main() -> None:
        images = DiskImages(tmp_path)
        images.prepare()
        driver = Controller(images, "n")
        first = await driver.CreateVolume(asked())
        assert first.volume.capacity_bytes == 8 * MIB
        assert dict(first.volume.accessible_topology[0].segments) == {TOPOLOGY_KEY: "n"}
        assert await driver.CreateVolume(asked()) == first, "asking twice makes one"
        await refused(driver.CreateVolume(asked(size=16 * MIB)), "ALREADY_EXISTS")
        assert (tmp_path / "v.img").stat().st_mode & 0o777 == 0o600
        assert "are free" in await refused(driver.CreateVolume(asked("w", 1 << 60)), "RESOURCE_EXHAUSTED")
        await refused(driver.CreateVolume(asked("../w")), "INVALID_ARGUMENT")
        await refused(driver.CreateVolume(asked("w", capability=capability("ntfs"))), "INVALID_ARGUMENT")
        many = capability(mode="MULTI_NODE_MULTI_WRITER")
        await refused(driver.CreateVolume(asked("w", capability=many)), "INVALID_ARGUMENT")
        elsewhere = {"requisite": [{"segments": {TOPOLOGY_KEY: "m"}}]}
        await refused(driver.CreateVolume(asked("w", accessibility_requirements=elsewhere)), "RESOURCE_EXHAUSTED")
        grown = await driver.ControllerExpandVolume(_grow("v", 32 * MIB))
        assert grown.capacity_bytes == 32 * MIB and grown.node_expansion_required
        assert (await driver.ControllerExpandVolume(_grow("v", 16 * MIB))).capacity_bytes == 32 * MIB
        await refused(driver.ControllerExpandVolume(_grow("w", MIB)), "NOT_FOUND")
        await driver.DeleteVolume(csi.DeleteVolumeRequest(volume_id="v"))
        await driver.DeleteVolume(csi.DeleteVolumeRequest(volume_id="v"))
        assert os.listdir(tmp_path) == []

    asyncio.run(main())


def _grow(volume: str, size: int) -> Any:
    return csi.ControllerExpandVolumeRequest(volume_id=volume, capacity_range={"required_bytes": size})


def test_what_was_never_finished_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = DiskImages(tmp_path)
    images.prepare()

    def cut(source: Any, target: Any) -> None:
        raise KeyboardInterrupt  # the agent is killed just before the volume gets its name

    monkeypatch.setattr(os, "replace", cut)
    monkeypatch.setattr(Path, "unlink", lambda self, missing_ok=False: None)
    with pytest.raises(KeyboardInterrupt):
        images.create("v", SMALLEST, "ext4")
    monkeypatch.undo()
    assert images.size("v") is None and os.listdir(tmp_path) == [".v.new"]
    images.prepare()
    assert os.listdir(tmp_path) == []
    images.create("v", SMALLEST, "ext4")
    assert images.size("v") == SMALLEST


@given(st.integers(0, 1 << 50), st.integers(0, 1 << 50))
def test_sizes_are_kept(required: int, limit: int) -> None:
    try:
        size = fitting(required, limit)
    except RpcFailure as failure:
        assert failure.code == "OUT_OF_RANGE" and limit and limit < max(required + GRAIN, SMALLEST)
        return
    assert size >= required and size % GRAIN == 0 and (not limit or size <= limit)


def test_a_simulated_node_only_remembers() -> None:
    async def main() -> None:
        driver = Controller(MemoryImages(room=64 * MIB), "n", simulated=True)
        await driver.CreateVolume(asked(size=60 * MIB))
        await refused(driver.CreateVolume(asked("w", 8 * MIB)), "RESOURCE_EXHAUSTED")
        assert not (await driver.ControllerExpandVolume(_grow("v", 62 * MIB))).node_expansion_required
        assert (await driver.GetCapacity(csi.GetCapacityRequest())).available_capacity == 2 * MIB
        assert (await driver.GetPluginInfo(csi.GetPluginInfoRequest())).name == LOCAL_DRIVER

    asyncio.run(main())


def _with_volume(tmp_path: Path, work: Callable[[Controller, Node, Path], Awaitable[None]], fs: str | None) -> None:
    async def main() -> None:
        images = DiskImages(tmp_path / "volumes")
        images.prepare()
        driver, node = Controller(images, "n"), Node(images, "n")
        await driver.CreateVolume(asked(capability=capability(fs)))
        try:
            await work(driver, node, images.path("v"))
        finally:
            for point in kernel.mount_points(tmp_path):
                kernel.unmount(point)
            loop.detach_beneath(tmp_path)

    asyncio.run(main())


@pytest.mark.root
def test_a_file_system_from_stage_to_unstage(tmp_path: Path) -> None:
    staging, target = tmp_path / "staging", tmp_path / "target"

    async def work(driver: Controller, node: Node, image: Path) -> None:
        stage = csi.NodeStageVolumeRequest(
            volume_id="v", staging_target_path=str(staging), volume_capability=capability()
        )
        publish = csi.NodePublishVolumeRequest(
            volume_id="v", staging_target_path=str(staging), target_path=str(target), volume_capability=capability()
        )
        await refused(node.NodePublishVolume(publish), "FAILED_PRECONDITION")
        for _ in range(2):
            await node.NodeStageVolume(stage)
        assert len(loop.devices(image)) == 1
        for _ in range(2):
            await node.NodePublishVolume(publish)
        (target / "file").write_text("kept")
        assert (staging / "file").read_text() == "kept"
        usage = await node.NodeGetVolumeStats(csi.NodeGetVolumeStatsRequest(volume_id="v", volume_path=str(target)))
        assert 6 * MIB < usage.usage[0].total < 8 * MIB
        await refused(driver.DeleteVolume(csi.DeleteVolumeRequest(volume_id="v")), "FAILED_PRECONDITION")
        for _ in range(2):
            await node.NodeUnpublishVolume(csi.NodeUnpublishVolumeRequest(volume_id="v", target_path=str(target)))
        assert not target.exists()
        unstage = csi.NodeUnstageVolumeRequest(volume_id="v", staging_target_path=str(staging))
        for _ in range(2):
            await node.NodeUnstageVolume(unstage)
        assert loop.devices(image) == []
        await driver.ControllerExpandVolume(_grow("v", 32 * MIB))
        await node.NodeStageVolume(stage)
        assert (staging / "file").read_text() == "kept"
        assert os.statvfs(staging).f_blocks * os.statvfs(staging).f_frsize > 24 * MIB
        await node.NodeUnstageVolume(unstage)
        other = csi.NodeStageVolumeRequest(
            volume_id="v", staging_target_path=str(staging), volume_capability=capability("xfs")
        )
        assert "not xfs" in await refused(node.NodeStageVolume(other), "FAILED_PRECONDITION")
        assert loop.devices(image) == []

    _with_volume(tmp_path, work, "ext4")


@pytest.mark.root
def test_a_device_from_stage_to_unstage(tmp_path: Path) -> None:
    staging, target = tmp_path / "staging", tmp_path / "devices" / "target"

    async def work(driver: Controller, node: Node, image: Path) -> None:
        block = capability(None)
        await node.NodeStageVolume(
            csi.NodeStageVolumeRequest(volume_id="v", staging_target_path=str(staging), volume_capability=block)
        )
        await node.NodePublishVolume(
            csi.NodePublishVolumeRequest(
                volume_id="v", staging_target_path=str(staging), target_path=str(target), volume_capability=block
            )
        )
        assert target.is_block_device()
        target.write_bytes(b"raw")
        await driver.ControllerExpandVolume(_grow("v", 16 * MIB))
        await node.NodeExpandVolume(csi.NodeExpandVolumeRequest(volume_id="v", volume_path=str(target)))
        stats = await node.NodeGetVolumeStats(csi.NodeGetVolumeStatsRequest(volume_id="v", volume_path=str(target)))
        assert stats.usage[0].total == 16 * MIB
        as_fs = csi.NodeStageVolumeRequest(
            volume_id="v", staging_target_path=str(tmp_path / "other"), volume_capability=capability()
        )
        assert "block device" in await refused(node.NodeStageVolume(as_fs), "FAILED_PRECONDITION")
        await node.NodeUnpublishVolume(csi.NodeUnpublishVolumeRequest(volume_id="v", target_path=str(target)))
        await node.NodeUnstageVolume(
            csi.NodeUnstageVolumeRequest(volume_id="v", staging_target_path=str(staging))
        )  # fmt: skip
        assert loop.devices(image) == [] and not target.exists()
        assert image.read_bytes()[:3] == b"raw"

    _with_volume(tmp_path, work, None)


@pytest.mark.root
def test_a_device_goes_with_the_mount_unless_it_is_to_last(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(MIB))
    with loop.attached(image) as device:
        assert loop.devices(image) == [device]
    assert loop.devices(image) == []
    device = loop.attach_lasting(image)
    assert loop.attach_lasting(image) == device
    os.truncate(image, 2 * MIB)
    loop.take_new_size(device)
    assert int(Path(f"/sys/block/{device.name}/size").read_text()) == 2 * MIB // 512
    loop.detach_beneath(tmp_path / "elsewhere")
    assert loop.devices(image) == [device]
    loop.detach_beneath(tmp_path)
    assert loop.devices(image) == []
    loop.detach(device)
