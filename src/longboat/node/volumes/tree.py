"""Looking at everything in a volume, whatever its pods do to it meanwhile. Blocks.

One directory is open at a time; the way back up is checked. So links are never followed, mounts are never entered, and
no depth exhausts paths, descriptors or the stack.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

from longboat.node import kernel

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Moved(OSError):
    """The way back up led elsewhere."""


def entries(place: Path, most: int = sys.maxsize) -> Iterator[tuple[int, str]]:
    """All that lies beneath a directory: names, each with a descriptor of the directory it is in, open until the
    next is asked for. A directory comes before what it holds. No more than `most` directories are remembered for
    later: what is in others is left out. Raises OSError."""
    here = os.open(place, DIRECTORY)
    above: list[tuple[list[str], tuple[int, int]]] = []  # directories that are still to come, and which it is
    waiting = 0  # how many these are, and those of `rest`
    try:
        rest = yield from _listed(here, most)
        waiting += len(rest)
        while rest or above:
            if rest:
                waiting -= 1
                try:
                    below = kernel.open_beneath(here, rest.pop(), DIRECTORY, mounts=False)
                except OSError as error:
                    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV):
                        continue  # it is none any more, or a mount
                    raise
                above.append((rest, _identity(here)))
                os.close(here)
                here = below
                rest = yield from _listed(here, most - waiting - len(above))
                waiting += len(rest)
            else:
                rest, wanted = above.pop()
                back = os.open("..", DIRECTORY, dir_fd=here)
                os.close(here)
                here = back
                if _identity(here) != wanted:
                    raise Moved(errno.ESTALE, "a directory was moved while it was looked at", str(place))
    finally:
        os.close(here)


def _listed(folder: int, most: int) -> Generator[tuple[int, str], None, list[str]]:
    """Its entries; returns those that are directories, so many at the most."""
    found: list[str] = []
    with os.scandir(folder) as listed:
        for entry in listed:
            if len(found) < most and entry.is_dir(follow_symlinks=False):
                found.append(entry.name)
            yield folder, entry.name
    return found


def _identity(folder: int) -> tuple[int, int]:
    found = os.fstat(folder)
    return found.st_dev, found.st_ino
