"""Loop devices: files as block devices (loop(4)). All nodes of a machine share them.

A device made `lasting` stays until it is detached; any other goes by itself with its last user, whoever that is:
nothing is left over where a node and its mounts are killed.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import ioctl
from pathlib import Path

LOOP_CLR_FD, LOOP_GET_STATUS64, LOOP_SET_CAPACITY, LOOP_CONFIGURE = 0x4C01, 0x4C05, 0x4C07, 0x4C0A  # linux/loop.h
LOOP_CTL_GET_FREE = 0x4C82
AUTOCLEAR = 4
MAJOR = 7
ATTEMPTS = 50  # a free device is anybody's until it is taken
CONTROL = Path("/dev/loop-control")
_INFO = struct.Struct("=5Q4I64s64s32s2Q")
_CONFIG = struct.Struct(f"=2I{_INFO.size}s8Q")


@contextmanager
def attached(image: Path) -> Iterator[Path]:
    """A device for the file; it outlives this block only where something, a mount for one, uses it then."""
    path, descriptor = _attach(image, AUTOCLEAR)
    try:
        yield path
    finally:
        os.close(descriptor)


def attach_lasting(image: Path) -> Path:
    """The device the file is attached to already, or a new one. Raises OSError."""
    for path in devices(image):
        return path
    path, descriptor = _attach(image, 0)
    os.close(descriptor)
    return path


def detach(device: Path) -> None:
    """Fine where nothing is attached; where it is in use, the device goes with its last user. Raises OSError."""
    with _opened(device) as descriptor:
        try:
            ioctl(descriptor, LOOP_CLR_FD)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise


def take_new_size(device: Path) -> None:
    """The file has grown: let the device, too. Raises OSError."""
    with _opened(device) as descriptor:
        ioctl(descriptor, LOOP_SET_CAPACITY)


def devices(image: Path) -> list[Path]:
    """Those that a file is attached to. Raises OSError where there is no such file."""
    found = image.stat()
    return [path for path, identity in _all() if identity == (_encoded(found.st_dev), found.st_ino)]


def detach_beneath(folder: Path) -> None:
    """Detach every device whose file lies in a directory, or lay there before it was deleted. Raises OSError."""
    for path, _ in _all():
        with suppress(FileNotFoundError):
            backing = (Path("/sys/block") / path.name / "loop" / "backing_file").read_text().rstrip("\n")
            if backing.startswith(f"{folder}/"):
                detach(path)


def _all() -> Iterator[tuple[Path, tuple[int, int]]]:
    """Every device in use, with device and inode of its file."""
    for entry in sorted(Path("/sys/block").glob("loop*/loop")):
        path = Path("/dev") / entry.parent.name
        try:
            with _opened(path) as descriptor:
                info = _INFO.unpack(ioctl(descriptor, LOOP_GET_STATUS64, bytes(_INFO.size)))
        except OSError as error:
            if error.errno in (errno.ENXIO, errno.ENOENT):
                continue  # it has been detached meanwhile
            raise
        yield path, (info[0], info[1])


def _attach(image: Path, flags: int) -> tuple[Path, int]:
    """The device, and a descriptor that keeps it. Raises OSError."""
    file = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    try:
        name = os.fsencode(image)[-63:]
        info = _INFO.pack(0, 0, 0, 0, 0, 0, 0, 0, flags, name, b"", b"", 0, 0)
        config = _CONFIG.pack(file, 0, info, *([0] * 8))
        for _ in range(ATTEMPTS):
            path = _free()
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                ioctl(descriptor, LOOP_CONFIGURE, config)
            except OSError as error:
                os.close(descriptor)
                if error.errno != errno.EBUSY:
                    raise
            else:
                return path, descriptor
        raise OSError(errno.EBUSY, "every free loop device was taken by others", str(image))
    finally:
        os.close(file)


def _free() -> Path:
    control = os.open(CONTROL, os.O_RDWR | os.O_CLOEXEC)
    try:
        number = ioctl(control, LOOP_CTL_GET_FREE)
    finally:
        os.close(control)
    path = Path(f"/dev/loop{number}")
    if not path.exists():  # where /dev is not the kernel's own
        with suppress(FileExistsError):
            os.mknod(path, 0o660 | stat.S_IFBLK, os.makedev(MAJOR, number))
    return path


@contextmanager
def _opened(device: Path) -> Iterator[int]:
    descriptor = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _encoded(device: int) -> int:
    """A device's number as the kernel passes it on (huge_encode_dev)."""
    major, minor = os.major(device), os.minor(device)
    return (minor & 0xFF) | (major << 8) | ((minor & ~0xFF) << 12)
