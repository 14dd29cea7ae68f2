"""File systems of image files: made, and made larger, with the node's own tools. Everything here blocks."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from longboat.node import mounting

DEFAULT = "ext4"
EXT = ("ext2", "ext3", "ext4")
WORTH_WHILE = 1 << 20  # bytes: a last part smaller than this may not fill a group of blocks


def known() -> tuple[str, ...]:
    """Those this machine has the tools for."""
    return tuple(kind for kind in (*EXT, "xfs") if shutil.which(f"mkfs.{kind}"))


def make(kind: str, image: Path) -> None:
    """An empty file system as large as the file, without `lost+found`: databases want an empty directory.

    Raises ToolFailed.
    """
    if kind == "xfs":
        mounting.must("mkfs.xfs", "-q", "-f", str(image))
        return
    mounting.must(f"mkfs.{kind}", "-q", "-F", "-m", "0", str(image))
    mounting.must("debugfs", "-w", "-R", "rmdir lost+found", str(image))


def options(kind: str) -> tuple[str, ...]:
    """Inode tables are not zeroed in the background: that would fill what is sparse."""
    return ("noinit_itable",) if kind == "ext4" else ()


def of(device: Path) -> str:
    """The file system on a device; "" for none. Raises ToolFailed."""
    done = mounting.run("blkid", "-p", "-s", "TYPE", "-o", "value", str(device))
    if done.returncode not in (0, 2):  # 2: nothing was found
        raise mounting.ToolFailed(f"blkid failed: exit status {done.returncode}: {done.stdout.strip()}")
    return done.stdout.strip()


class InUse(mounting.ToolFailed):
    """It can grow, but not while it is mounted."""


def grow(kind: str, device: Path, mounted: Path) -> None:
    """Let a file system in use take all of its device. Raises ToolFailed, InUse."""
    if kind == "xfs":
        mounting.must("xfs_growfs", str(mounted))
        return
    if kind not in EXT:
        raise mounting.ToolFailed(f"a file system of type {kind or 'unknown'} cannot grow")
    try:
        mounting.must("resize2fs", str(device))
    except mounting.ToolFailed as error:
        if "Permission denied" in str(error):  # the kernel wants CAP_SYS_RESOURCE, which containers seldom have
            raise InUse(f"{kind} on {device} cannot grow while it is mounted: no CAP_SYS_RESOURCE") from error
        raise


def fill(kind: str, device: Path) -> None:
    """Let an ext file system that is not mounted take all of its device, where it does not yet. Raises ToolFailed."""
    if kind not in EXT:
        return
    facts = dict(
        line.split(":", 1) for line in mounting.must("dumpe2fs", "-h", str(device)).splitlines() if ":" in line
    )
    size = int(facts["Block count"]) * int(facts["Block size"])
    with open(device, "rb") as file:
        room = file.seek(0, os.SEEK_END)
    if room - size >= WORTH_WHILE:
        done = mounting.run("e2fsck", "-f", "-p", str(device))
        if done.returncode > 1:  # 1: errors were corrected
            raise mounting.ToolFailed(f"e2fsck failed: exit status {done.returncode}: {done.stdout.strip()}")
        mounting.must("resize2fs", str(device))
