"""fsGroup: a volume's files belong to the pod's group (kubelet's SetVolumeOwnership)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from longboat.node.volumes import tree

READ_WRITE, EXECUTE = 0o660, 0o110
FOUND = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def give_to(place: Path, group: int, *, only_if_root_differs: bool) -> None:
    """Set group and group permissions throughout; directories hand the group on. Raises OSError.

    With fsGroupChangePolicy OnRootMismatch nothing is done where the top directory is as it should be: it comes last.
    """
    top = place.stat()
    if only_if_root_differs and top.st_gid == group and top.st_mode & (stat.S_ISGID | 0o070) == stat.S_ISGID | 0o070:
        return
    for where, name in tree.entries(place):
        try:
            found = os.open(name, FOUND, dir_fd=where)
        except FileNotFoundError:
            continue  # another pod is at work
        _give(found, group)
    _give(os.open(place, FOUND), group)


def _give(found: int, group: int) -> None:
    """What is changed is what was looked at, though a link may lie in its place by now. Closes the descriptor."""
    try:
        mode, itself = os.fstat(found).st_mode, f"/proc/self/fd/{found}"
        os.chown(itself, -1, group)
        if stat.S_ISLNK(mode):
            return
        wanted = mode | READ_WRITE | (stat.S_ISGID | EXECUTE if stat.S_ISDIR(mode) else 0)
        os.chmod(itself, stat.S_IMODE(wanted))
    finally:
        os.close(found)
