"""What lies on disk of CSI volumes: made before drivers are called, removed after. Everything here blocks.

All raise OSError. Directories are removed only when they are empty: data is never deleted from here.
"""

from __future__ import annotations

import os
from contextlib import suppress

from longboat.node import kernel
from longboat.node.csi import records
from longboat.node.csi.paths import CsiPaths, Spot
from longboat.node.csi.records import Record
from longboat.node.errors import StillMounted

Found = tuple[Record, Spot]


def prepare(spot: Spot, record: Record) -> bool:
    """The record, and what drivers expect to be there. True if nothing was known of the volume for this pod."""
    is_new = records.write(spot.record, record)
    if spot.link is not None:
        is_new = not spot.link.is_symlink()
        spot.link.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        if is_new:
            spot.link.symlink_to(spot.target)
    spot.staging.mkdir(mode=0o750, parents=True, exist_ok=True)
    spot.target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    return is_new


def is_published(spot: Spot) -> bool:
    return kernel.is_mount_point(spot.target) and records.read(spot.record) is not None


def forget(spot: Spot) -> None:
    """What is left of a volume for one pod, once it is not mounted any more."""
    if kernel.is_mount_point(spot.target):
        raise StillMounted(f"{spot.target} is still mounted")
    if spot.target.is_dir():
        spot.target.rmdir()
    else:
        spot.target.unlink(missing_ok=True)
    if spot.link is None:
        records.remove(spot.record)
    else:
        spot.link.unlink(missing_ok=True)


def forget_staging(spot: Spot) -> None:
    """What is left of a volume that no pod uses."""
    if kernel.is_mount_point(spot.staging):
        raise StillMounted(f"{spot.staging} is still mounted")
    if spot.staging.is_dir():
        spot.staging.rmdir()
    if spot.staging_record is not None:
        records.remove(spot.staging_record)
    if spot.link is not None:
        with suppress(FileNotFoundError):
            spot.target.parent.rmdir()
        records.remove(spot.record)
        with suppress(FileNotFoundError):
            spot.record.parent.rmdir()


def is_used(paths: CsiPaths, record: Record, spot: Spot) -> bool:
    """Whether any pod of this node has the volume, or is about to get it."""
    if spot.link is not None:
        try:
            return bool(os.listdir(spot.target.parent))
        except FileNotFoundError:
            return False
    others = (records.read(folder) for folder in paths.file_systems())
    return any(other is not None and other.volume == record.volume for other in others)


def of_pod(paths: CsiPaths, uid: str) -> list[Found]:
    found = []
    for folder in paths.file_systems_of(uid):
        if record := records.read(folder):
            spot = paths.file_system(uid, folder.name, record.driverName, record.volumeHandle)
            found.append((record, spot))
    for name in paths.devices_of(uid):
        spot = paths.device(uid, name)
        if record := records.read(spot.record):
            found.append((record, spot))
    return found


def staged(paths: CsiPaths) -> list[Found]:
    """Every volume that is staged, or was about to be."""
    found = []
    for folder in paths.staged():
        if record := records.read(folder):
            found.append((record, paths.file_system("none", record.specVolID, record.driverName, record.volumeHandle)))
    for name in paths.devices():
        spot = paths.device("none", name)
        if record := records.read(spot.record):
            found.append((record, spot))
    return found


def users(paths: CsiPaths, driver: str, handle: str) -> set[str]:
    """The uids of pods that have a volume."""
    volume, found = (driver, handle), set[str]()
    for folder in paths.file_systems():
        if (record := records.read(folder)) and record.volume == volume:
            found.add(paths.owner(folder))
    for name in paths.devices():
        spot = paths.device("none", name)
        if (record := records.read(spot.record)) and record.volume == volume and spot.target.parent.exists():
            found.update(os.listdir(spot.target.parent))
    return found


def attached(paths: CsiPaths) -> set[tuple[str, str]]:
    """Volumes, as (driver, handle), that must stay attached to this node."""
    found = [record for record, _ in staged(paths)]
    found += [record for folder in paths.file_systems() if (record := records.read(folder))]
    return {record.volume for record in found if record.attachmentID}
