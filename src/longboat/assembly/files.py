"""Files that must never be half-written, directories with their modes, and what to tell who cannot have them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from longboat.assembly.errors import Failure


def write(path: Path, text: str, *, mode: int = 0o600, owner: tuple[int, int] | None = None) -> None:
    """Replace a file in one step: readers see the old text or the new, also after a crash."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
        try:
            os.fchmod(descriptor, mode)
            if owner is not None:
                os.fchown(descriptor, *owner)
            os.write(descriptor, text.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise unusable(path, error) from error


def directory(path: Path, *, mode: int = 0o700, owner: tuple[int, int] | None = None) -> Path:
    """Make a directory and its parents; those that are new get `mode` and `owner`."""
    if path.is_dir():
        return path
    if path.parent != path:
        directory(path.parent, mode=mode, owner=owner)
    try:
        path.mkdir(mode=mode, exist_ok=True)
        if owner is not None:
            os.chown(path, *owner)
    except OSError as error:
        raise unusable(path, error) from error
    return path


def unusable(path: Path, error: OSError) -> Failure:
    """The failure that tells a person what to do about a file that cannot be written."""
    if error.errno == errno.ENOSPC:
        return Failure(
            f"cannot write {path}: no space left on the device",
            "Free some space there, or put the cluster elsewhere: longboat up --data-dir DIR",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Failure(
            f"cannot write {path}: {error.strerror}",
            "Run as the user who owns it (sudo?), or choose a place you may write to: --data-dir DIR",
        )
    return Failure(f"cannot write {path}: {error.strerror}")
