"""Deleting what a pod leaves behind: as deep as pods may have made it, and never through a mount. Everything blocks."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from longboat.node import kernel

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
DEEPEST = 40  # levels that are descended at a time


def remove_tree(place: Path) -> None:
    """Delete a directory and all that is in it; fine where there is none. Raises OSError.

    What is mounted in it, even at the last moment, is neither entered nor deleted (EXDEV, EBUSY).
    """
    try:
        above = os.open(place.parent, DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        top = _enter(above, place.name)
        try:
            numbers = itertools.count()
            while names := os.listdir(top):
                for name in names:
                    _remove(top, name, partial(_lift, top, numbers), DEEPEST)
        finally:
            os.close(top)
        os.rmdir(place.name, dir_fd=above)
    except FileNotFoundError:
        return
    finally:
        os.close(above)


def _remove(above: int, name: str, lift: Callable[[int, str], None], depth: int) -> None:
    """Directories `depth` levels further down are lifted up to the top, and their turn comes there: however deep they
    lie, neither paths nor descriptors nor the stack run out."""
    try:
        os.unlink(name, dir_fd=above)
        return
    except IsADirectoryError:
        if depth == 0:
            lift(above, name)
            return
    folder = _enter(above, name)
    try:
        for entry in os.listdir(folder):
            _remove(folder, entry, lift, depth - 1)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=above)


def _lift(top: int, numbers: Iterator[int], folder: int, name: str) -> None:
    for number in numbers:
        try:
            os.rename(name, f"..lifted-{number}", src_dir_fd=folder, dst_dir_fd=top)
            return
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):  # the name is taken
                raise


def _enter(folder: int, name: str) -> int:
    return kernel.open_beneath(folder, name, DIRECTORY, mounts=False)
