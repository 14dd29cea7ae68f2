"""Node service: loop devices, file systems, bind mounts, with the machine's own tools."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from csi.shelf import Refusal, Shelf
from longboat.machinery.protos import messages

csi = messages("csi.v1")
CAPABILITIES = ("STAGE_UNSTAGE_VOLUME", "GET_VOLUME_STATS", "EXPAND_VOLUME", "SINGLE_NODE_MULTI_WRITER")


class Node:
    def __init__(self, node: str, shelf: Shelf) -> None:
        self._node, self._shelf = node, shelf

    async def NodeGetInfo(self, request: Any) -> Any:
        return csi.NodeGetInfoResponse(node_id=f"id-of-{self._node}", max_volumes_per_node=20)

    async def NodeGetCapabilities(self, request: Any) -> Any:
        listed = [{"rpc": {"type": name}} for name in CAPABILITIES]
        return csi.NodeGetCapabilitiesResponse(capabilities=listed)

    async def NodeStageVolume(self, request: Any) -> Any:
        note, staging = self._shelf.must(request.volume_id), Path(request.staging_target_path)
        if (
            note["attached"] != f"id-of-{self._node}"
            or request.publish_context["slot"] != f"slot-of-id-of-{self._node}"
        ):
            raise Refusal("FAILED_PRECONDITION", f"volume {request.volume_id} is not attached here")
        device = self._device(request.volume_id) or run("losetup", "--find", "--show", self._image(request.volume_id))
        if request.volume_capability.HasField("mount") and not is_mounted(staging):
            kind = request.volume_capability.mount.fs_type or "ext4"
            if not run("blkid", "-p", "-s", "TYPE", "-o", "value", device, ok=(0, 2)):
                run(f"mkfs.{kind}", "-q", device)
            options = [f"-o{','.join(request.volume_capability.mount.mount_flags)}"]
            run("mount", "-t", kind, *(options if options != ["-o"] else []), device, str(staging))
        return csi.NodeStageVolumeResponse()

    async def NodeUnstageVolume(self, request: Any) -> Any:
        staging = Path(request.staging_target_path)
        if is_mounted(staging):
            run("umount", str(staging))
        if device := self._device(request.volume_id):
            run("losetup", "--detach", device)
        return csi.NodeUnstageVolumeResponse()

    async def NodePublishVolume(self, request: Any) -> Any:
        target = Path(request.target_path)
        if request.volume_context.get("csi.storage.k8s.io/ephemeral") == "true":
            self._publish_scratch(request, target)
            return csi.NodePublishVolumeResponse()
        if is_mounted(target):
            return csi.NodePublishVolumeResponse()
        if request.volume_capability.HasField("block"):
            target.touch()
            source = self._device(request.volume_id)
            if not source:
                raise Refusal("FAILED_PRECONDITION", "not staged")
        else:
            target.mkdir(exist_ok=True)
            source = request.staging_target_path
        run("mount", "--bind", source, str(target))
        if request.readonly:
            run("mount", "-o", "remount,bind,ro", str(target))
        return csi.NodePublishVolumeResponse()

    def _publish_scratch(self, request: Any, target: Path) -> None:
        """A volume of the pod's own, holding what the driver was told."""
        scratch = self._image(request.volume_id).replace(".img", ".scratch")
        os.makedirs(scratch, exist_ok=True)
        told = json_format.MessageToDict(request, preserving_proto_field_name=True)
        Path(scratch, "told.json").write_text(json.dumps(told))
        if not is_mounted(target):
            target.mkdir(exist_ok=True)
            run("mount", "--bind", scratch, str(target))

    async def NodeUnpublishVolume(self, request: Any) -> Any:
        target = Path(request.target_path)
        if is_mounted(target):
            run("umount", str(target))
        if target.is_dir():
            target.rmdir()
        else:
            target.unlink(missing_ok=True)
        shutil.rmtree(self._image(request.volume_id).replace(".img", ".scratch"), ignore_errors=True)
        return csi.NodeUnpublishVolumeResponse()

    async def NodeExpandVolume(self, request: Any) -> Any:
        if device := self._device(request.volume_id):
            run("losetup", "--set-capacity", device)
            if request.volume_capability.HasField("mount"):
                kind = run("blkid", "-p", "-s", "TYPE", "-o", "value", device)
                run("xfs_growfs", request.volume_path) if kind == "xfs" else run("resize2fs", device)
        return csi.NodeExpandVolumeResponse(capacity_bytes=request.capacity_range.required_bytes)

    async def NodeGetVolumeStats(self, request: Any) -> Any:
        found = os.statvfs(request.volume_path)
        used, free = (found.f_blocks - found.f_bfree) * found.f_frsize, found.f_bavail * found.f_frsize
        total = found.f_blocks * found.f_frsize
        return csi.NodeGetVolumeStatsResponse(
            usage=[{"available": free, "total": total, "used": used, "unit": "BYTES"}]
        )  # fmt: skip

    def _image(self, volume: str) -> str:
        return str(self._shelf.image(volume))

    def _device(self, volume: str) -> str:
        return run("losetup", "--noheadings", "--output", "NAME", "--associated", self._image(volume)).strip()


def is_mounted(path: Path) -> bool:
    return any(line.split()[4] == str(path) for line in Path("/proc/self/mountinfo").read_text().splitlines())


def run(*command: str, ok: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in ok:
        raise Refusal("INTERNAL", f"{command[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()
