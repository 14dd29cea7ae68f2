"""fsGroup: a volume's files belong to the pod's group (kubelet's SetVolumeOwnership)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

READ_WRITE, EXECUTE = 0o660, 0o110


def give_to(place: Path, group: int, *, only_if_root_differs: bool) -> None:
    """Set group and group permissions throughout; directories hand the group on. Raises OSError.

    With fsGroupChangePolicy OnRootMismatch nothing is done where the top directory is as it should be.
    """
    top = place.stat()
    if only_if_root_differs and top.st_gid == group and top.st_mode & (stat.S_ISGID | 0o070) == stat.S_ISGID | 0o070:
        return
    for directory, names, files in os.walk(place, topdown=False):
        for name in (*names, *files):
            _give(Path(directory) / name, group)
    _give(place, group)


def _give(path: Path, group: int) -> None:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        os.lchown(path, -1, group)
        return
    os.chown(path, -1, group, follow_symlinks=False)
    wanted = found.st_mode | READ_WRITE
    if stat.S_ISDIR(found.st_mode):
        wanted |= stat.S_ISGID | EXECUTE
    path.chmod(stat.S_IMODE(wanted))
