"""CSI requests in protobuf's JSON mapping, made from claims, volumes and classes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from longboat.api.storage import Claim, StorageClass, Volume, size
from longboat.controllers.volumes.csi.secrets import FS_TYPE, KNOWN, PREFIX
from longboat.machinery.objects import Object

DEFAULT_FS = "ext4"
SINGLE_WRITERS = "SINGLE_NODE_MULTI_WRITER"  # the capability of telling one node from one pod
MODES = {
    "ReadWriteOnce": "SINGLE_NODE_WRITER", "ReadOnlyMany": "MULTI_NODE_READER_ONLY",
    "ReadWriteMany": "MULTI_NODE_MULTI_WRITER", "ReadWriteOncePod": "SINGLE_NODE_WRITER",
}  # fmt: skip
PRECISE = {**MODES, "ReadWriteOnce": "SINGLE_NODE_MULTI_WRITER", "ReadWriteOncePod": "SINGLE_NODE_SINGLE_WRITER"}


def volume_name(claim: Claim) -> str:
    """Of the volume made for a claim: asking twice makes one."""
    return f"pvc-{claim.metadata.uid}"


def fs_type(storage_class: StorageClass) -> str:
    """Raises ValueError."""
    named = [value for key, value in storage_class.parameters.items() if key.lower() == "fstype" or key == FS_TYPE]
    if len(named) > 1:
        raise ValueError(f'fstype specified in parameters with both "fstype" and "{FS_TYPE}" keys')
    return (named[0] if named else "") or DEFAULT_FS


def parameters(storage_class: StorageClass) -> dict[str, str]:
    """What the driver is told of the class: all but what is for us. Raises ValueError."""
    for key in storage_class.parameters:
        if key.startswith(PREFIX) and key not in KNOWN:
            why = f'found unknown parameter key "{key}" with reserved namespace {PREFIX}'
            raise ValueError(f"failed to strip CSI Parameters of prefixed keys: {why}")
    return {key: value for key, value in storage_class.parameters.items() if not key.startswith(PREFIX)}


def capabilities(
    modes: list[str], volume_mode: str, fs: str, flags: list[str], precise: bool = False
) -> list[Object]:  # fmt: skip
    """One VolumeCapability per access mode. `precise` where the driver tells one pod from one node."""
    access: Object = {"block": {}} if volume_mode == "Block" else {"mount": _mount(fs, flags)}
    names = PRECISE if precise else MODES
    return [{**access, "accessMode": {"mode": names[mode]}} for mode in modes]


def _mount(fs: str, flags: list[str]) -> Object:
    return {"fsType": fs, "mountFlags": flags} if flags else {"fsType": fs}


def create(
    claim: Claim,
    storage_class: StorageClass,
    secrets: Mapping[str, str],
    accessibility: Object | None,
    precise: bool = False,
) -> Object:
    """CreateVolumeRequest. Raises ValueError."""
    asked, most = claim.spec, claim.spec.resources.limits
    room: Object = {"requiredBytes": str(size(asked.resources.requests).value)}
    if "storage" in most:
        room["limitBytes"] = str(size(most).value)
    request: Object = {
        "name": volume_name(claim),
        "capacityRange": room,
        "volumeCapabilities": capabilities(
            asked.accessModes, asked.volumeMode, fs_type(storage_class), storage_class.mountOptions, precise
        ),
        "parameters": parameters(storage_class),
    }
    if secrets:
        request["secrets"] = dict(secrets)
    if accessibility:
        request["accessibilityRequirements"] = accessibility
    return request


def of_volume(volume: Volume, precise: bool = False) -> Object:
    """The VolumeCapability by which a volume is attached or grown: the widest of its access modes."""
    spec = volume.spec
    order = ("ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod", "ReadOnlyMany")
    mode = next(mode for mode in order if mode in spec.accessModes)
    fs = spec.csi.fsType if spec.csi is not None else ""
    (found,) = capabilities([mode], spec.volumeMode, fs, spec.mountOptions, precise)
    return found


def bytes_of(answer: Mapping[str, Any], field: str = "capacityBytes") -> int:
    """An int64 of an answer: a string in protobuf's JSON mapping, though some write a number."""
    try:
        return int(answer.get(field) or 0)
    except (TypeError, ValueError):
        return 0
