"""Files that change as one: each version in a directory of its own, a symlink that is swapped over to it.

    volume/key      -> ..data/key
    volume/..data   -> ..2026_11_23_16_40_00.123456789
Readers see the old files or the new, never a mixture (kubelet's layout; programs watch `..data`).
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import msgspec

DATA, SCRATCH = "..data", "..data_tmp"
MAX_PATH = 4096


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
    before = os.readlink(current) if current.is_symlink() else ""
    scratch = volume / SCRATCH
    scratch.unlink(missing_ok=True)
    scratch.symlink_to(version.name)
    os.replace(scratch, current)
    _link(volume, {path.split("/")[0] for path in payload})
    if before:
        shutil.rmtree(volume / before, ignore_errors=True)
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


def _link(volume: Path, names: set[str]) -> None:
    """A link in the volume for each of the version's entries, and no others."""
    for entry in os.scandir(volume):
        if not entry.name.startswith("..") and entry.name not in names:
            os.unlink(entry.path)
    for name in names:
        if not (volume / name).is_symlink():
            (volume / name).symlink_to(f"{DATA}/{name}")


def _expected(payload: Payload, group: int | None) -> dict[str, tuple[bytes, int]]:
    return {path: (file.data, _mode(file, group)) for path, file in payload.items()}


def _read(version: Path) -> dict[str, tuple[bytes, int]]:
    found = {}
    for directory, _, names in os.walk(version):
        for name in names:
            path = Path(directory) / name
            found[str(path.relative_to(version))] = (path.read_bytes(), path.stat().st_mode & 0o7777)
    return found
