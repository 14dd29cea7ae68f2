"""subPath: a part of a volume, bound where nobody can exchange it between the check and its use (CVE-2021-25741)."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from longboat.node import kernel


def bind(volume: Path, path: str, target: Path, *, create: bool) -> None:
    """Bind `path` inside `volume` onto `target`. Missing directories are made where `create`. Raises OSError.

    The path is opened beneath the volume and bound by its descriptor: links that lead out are refused.
    """
    root = os.open(volume, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            found = kernel.open_beneath(root, path, os.O_PATH, symlinks=True)
        except FileNotFoundError:
            if not create:
                raise
            found = _make(root, path, os.stat(volume).st_mode & 0o7777)
    finally:
        os.close(root)
    try:
        if stat.S_ISDIR(os.fstat(found).st_mode):
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        kernel.unmount(target)
        kernel.bind(f"/proc/self/fd/{found}", target)
    finally:
        os.close(found)


def _make(root: int, path: str, mode: int) -> int:
    """Make directories one by one, each beneath the one before. Returns a descriptor of the last."""
    current = os.dup(root)
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part == "..":
            os.close(current)
            raise OSError(errno.EXDEV, "a subPath may not contain '..'", path)
        try:
            try:
                os.mkdir(part, mode, dir_fd=current)
            except FileExistsError:
                pass
            else:
                os.chmod(part, mode, dir_fd=current)
            below = kernel.open_beneath(current, part, os.O_PATH | os.O_DIRECTORY)
        finally:
            os.close(current)
        current = below
    return current
