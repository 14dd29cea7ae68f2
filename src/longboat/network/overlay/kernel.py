"""System calls the standard library of Python 3.11 does not have: namespaces and mounts."""

from __future__ import annotations

import ctypes
import fcntl
import itertools
import os
import sys
from contextlib import ExitStack
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWNET = 0x00020000, 0x04000000, 0x40000000  # linux/sched.h
MS_NOSUID, MS_NODEV, MS_BIND, MS_REC = 0x2, 0x4, 0x1000, 0x4000  # linux/mount.h
MS_PRIVATE, MS_SHARED = 1 << 18, 1 << 20
MNT_DETACH = 2
NS_GET_MNTNS_ID = 0x8008B705  # linux/nsfs.h

_untold = itertools.count()
_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Move this process to new namespaces. Raises OSError."""
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def setns(kinds: dict[Path, int]) -> None:
    """Move this process into the namespaces that the files stand for. Raises OSError.

    All files are opened first: a mount namespace entered on the way may hide the others.
    """
    with ExitStack() as opened:
        files = [(opened.enter_context(path.open("rb")), kind) for path, kind in kinds.items()]
        for file, kind in files:
            _checked(_libc.setns(ctypes.c_int(file.fileno()), ctypes.c_int(kind)), file.name)


def mount_namespace_id() -> int:
    """The id of this process's mount namespace; always a larger one next time on kernels that do not tell (< 6.11)."""
    with open("/proc/self/ns/mnt", "rb") as file:
        answer = bytearray(8)
        try:
            fcntl.ioctl(file, NS_GET_MNTNS_ID, answer)
        except OSError:
            return next(_untold)
    return int.from_bytes(answer, sys.byteorder)


def mount(source: str, target: Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2). Raises OSError."""
    arguments = (source.encode(), os.fsencode(target), kind.encode() or None)
    _checked(_libc.mount(*arguments, ctypes.c_ulong(flags), options.encode() or None), str(target))


def bind(source: Path, target: Path) -> None:
    mount(str(source), target, flags=MS_BIND)


def unmount(target: Path) -> bool:
    """Detach what is mounted there, if anything is. Raises OSError where it may not."""
    if _libc.umount2(os.fsencode(target), MNT_DETACH) == 0:
        return True
    if ctypes.get_errno() in (22, 2):  # EINVAL: not a mount point; ENOENT
        return False
    _checked(-1, str(target))
    return False


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
