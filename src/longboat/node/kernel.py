"""System calls the standard library of Python 3.11 does not have: mounts, and opening what cannot escape."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import re
import struct
from pathlib import Path

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 0x1, 0x2, 0x4, 0x8, 0x20  # linux/mount.h
MS_BIND, MS_REC = 0x1000, 0x4000
MNT_DETACH = 2
RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS = 0x01, 0x02  # linux/openat2.h
RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH = 0x04, 0x08
_OPENAT2 = 437  # on every architecture
_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2). Raises OSError."""
    arguments = (source.encode(), os.fsencode(target), kind.encode() or None)
    _checked(_libc.mount(*arguments, ctypes.c_ulong(flags), options.encode() or None), str(target))


def bind(source: str, target: Path) -> None:
    """Show `source` at `target` as well, with what is mounted beneath it."""
    mount(source, target, flags=MS_BIND | MS_REC)


def make_read_only(target: Path) -> None:
    """Nothing can be written by way of this bind mount, whatever can be by others."""
    mount("none", target, flags=MS_REMOUNT | MS_BIND | MS_RDONLY)


def unmount(target: Path) -> None:
    """Detach what is mounted there; fine where nothing is. Raises OSError where it may not."""
    if _libc.umount2(os.fsencode(target), MNT_DETACH) and ctypes.get_errno() not in (2, 22):  # ENOENT, EINVAL
        _checked(-1, str(target))


def unmount_fully(target: Path) -> None:
    """Unmount all that is mounted there; what is in use goes with its last user. Raises OSError."""
    for _ in range(100):
        if _libc.umount2(os.fsencode(target), 0) == 0:
            continue
        match ctypes.get_errno():
            case errno.ENOENT | errno.EINVAL:
                return
            case errno.EBUSY:
                unmount(target)
            case _:
                _checked(-1, str(target))


def mount_points(beneath: Path) -> list[Path]:
    """Mount points in a directory, the deepest first."""
    prefix = f"{beneath}/"
    return [Path(point) for point in sorted(set(_mounted()), key=len, reverse=True) if point.startswith(prefix)]


def is_mount_point(path: Path) -> bool:
    """Also where a part of a file system is bound into the same one, which stat(2) does not show."""
    return str(path) in _mounted()


def bound() -> list[str]:
    """Of each mount, which part of its file system it shows: a path in that."""
    return _mounted(3)


def _mounted(field: int = 4) -> list[str]:
    """A field of each line of mountinfo (proc_pid_mountinfo(5)): 3 the root in its file system, 4 the mount point."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return [re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), line.split()[field]) for line in file]


def open_beneath(
    directory: int, path: str, flags: int, mode: int = 0, *, symlinks: bool = False, mounts: bool = True
) -> int:  # fmt: skip
    """openat2(2): a descriptor of what lies in `directory`, whatever happens to the path meanwhile.

    Symbolic links are refused, or followed as long as they stay beneath; mount points are passed, or refused. Raises
    OSError (EXDEV: it led out).
    """
    resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS
    resolve |= (0 if symlinks else RESOLVE_NO_SYMLINKS) | (0 if mounts else RESOLVE_NO_XDEV)
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, mode, resolve)
    result = _libc.syscall(_OPENAT2, directory, os.fsencode(path), how, len(how))
    _checked(result, path)
    return int(result)


def machine() -> str:
    """The architecture as Go names it."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _checked(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
