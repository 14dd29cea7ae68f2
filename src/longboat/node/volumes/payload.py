"""Files that change as one: each version in a directory of its own, a symlink that is swapped over to it.

    volume/key      -> ..data/key
    volume/..data   -> ..1f0c22a1b4d5e6f7
Readers see the old files or the new, never a mixture (kubelet's layout; programs watch `..data`). What is no link is a
mount point (`nested.py`): a directory, with links for what the version holds at that path, or a file.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import msgspec

from longboat.node import kernel

DATA, SCRATCH = "..data", "..data_tmp"
MAX_PATH = 4096
MOUNT_POINT = 0o1000  # files that are made to be mounted on have this bit in their mode, none of a payload's has


class File(msgspec.Struct, frozen=True):
    """`owner` is a user id, where it is not the agent's own."""

    data: bytes
    mode: int
    owner: int | None = None


Payload = Mapping[str, File]  # by path relative to the volume


def checked(path: str) -> str:
    """A path that stays in its volume, as short as it can be written. Raises ValueError."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or len(path) > MAX_PATH or path.startswith("/") or ".." in parts or parts[0].startswith(".."):
        raise ValueError(f"invalid path in volume: {path!r}")
    return "/".join(parts)


def write(volume: Path, payload: Payload, group: int | None = None) -> bool:
    """Make the volume hold exactly these files. `group` is the pod's fsGroup. True if anything changed.

    Raises OSError and ValueError.
    """
    for path in payload:
        if checked(path) != path:
            raise ValueError(f"invalid path in volume: {path!r}")
        if above := next((str(p) for p in PurePosixPath(path).parents if str(p) in payload), ""):
            raise ValueError(f"conflicting paths in volume: {above!r} and {path!r}")
    current = volume / DATA
    if current.is_symlink() and _read(current) == _expected(payload, group):
        return False
    version = volume / f"..{secrets.token_hex(8)}"
    version.mkdir(mode=0o755)
    version.chmod(0o755)
    try:
        for path, file in payload.items():
            _write_file(version / path, file, group)
    except OSError:
        shutil.rmtree(version)  # it is tried again: nothing may pile up
        raise
    scratch = volume / SCRATCH
    scratch.unlink(missing_ok=True)
    scratch.symlink_to(version.name)
    os.replace(scratch, current)
    link(volume)
    _remove_others(volume, version.name)
    return True


def _write_file(target: Path, file: File, group: int | None) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as out:
        out.write(file.data)
        if file.owner is not None or group is not None:
            os.fchown(out.fileno(), -1 if file.owner is None else file.owner, -1 if group is None else group)
        os.fchmod(out.fileno(), _mode(file, group))


def _mode(file: File, group: int | None) -> int:
    """A group of its own may read what the owner may."""
    return file.mode | 0o440 if group is not None else file.mode


def link(volume: Path) -> None:
    """A link for each of the version's entries, and no others; mount points stay. Raises OSError."""
    directories = [""]
    while directories:
        within = directories.pop()
        up = "../" * len(Path(within).parts)
        version = volume / DATA / within
        missing = set(os.listdir(version)) if version.is_dir() else set[str]()
        for entry in list(os.scandir(volume / within)):
            if not within and entry.name.startswith(".."):
                continue
            if entry.is_dir(follow_symlinks=False):
                directories.append(str(Path(within, entry.name)))
            elif not entry.is_symlink():
                _show(version / entry.name, Path(entry.path))
            elif entry.name not in missing:
                os.unlink(entry.path)
            missing.discard(entry.name)
        for name in missing:
            (volume / within / name).symlink_to(f"{up}{Path(DATA, within, name)}")


def _show(file: Path, point: Path) -> None:
    """A mount point holds what is hidden by it: containers that mount nothing there see the file. It stays the same
    file, or what is mounted on it would be gone."""
    data = file.read_bytes() if file.is_file() else b""
    if point.read_bytes() != data:
        point.write_bytes(data)
    if file.is_file():
        status = file.stat()
        os.chown(point, status.st_uid, status.st_gid)
        point.chmod(status.st_mode & 0o777)


def _remove_others(volume: Path, current: str) -> None:
    """Delete the versions of before, but for those of which a container was given a part (subPath): it keeps what it
    has, and what is mounted beneath stays there."""
    versions = {e.name for e in os.scandir(volume) if e.name.startswith("..") and e.is_dir(follow_symlinks=False)}
    bound = kernel.bound() if len(versions) > 1 else []
    for name in versions - {current}:
        if not any(f"/{name}/" in f"{root}/" for root in bound):
            shutil.rmtree(volume / name, ignore_errors=True)


def _expected(payload: Payload, group: int | None) -> dict[str, tuple[bytes, int]]:
    return {path: (file.data, _mode(file, group)) for path, file in payload.items()}


def _read(version: Path) -> dict[str, tuple[bytes, int]]:
    found = {}
    for directory, _, names in os.walk(version):
        for name in names:
            path = Path(directory) / name
            mode = path.stat().st_mode & 0o7777
            if not mode & MOUNT_POINT:
                found[str(path.relative_to(version))] = (path.read_bytes(), mode)
    return found
