"""Mount points in volumes whose files the agent writes: read-only by the time the runtime would make them.

In the volume they are what is no link (`payload.py`): an update leaves them where they are, with what is mounted there.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path

from longboat.node.volumes import payload

MODE = 0o755


def normal(path: str) -> str:
    """A path in a container, absolute and as short as it can be written."""
    return "/" + posixpath.normpath(path).lstrip("/")


def enclosing(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """For each path that lies in another of them: the nearest such, and the way from there. Pure."""
    above: list[str] = []
    for path in sorted(set(paths), key=lambda path: path.split("/")):
        while above and not path.startswith(f"{above[-1]}/"):
            above.pop()
        if above:
            yield above[-1], path[len(above[-1]) + 1 :]
        above.append(path)


def make(place: Path, way: str, *, directory: bool) -> None:
    """A mount point in a volume, or in the part of it that a subPath names. Raises OSError.

    Where one of the volume's own files is in the way of a directory, the directory wins, as it does upstream.
    """
    if way.startswith(".."):
        return  # the volume's bookkeeping: the runtime will refuse, or find it there
    *above, last = way.split("/")
    here = place
    for name in above:
        here /= name
        _directory(here)
    if directory:
        _directory(here / last)
    else:
        _file(here / last)
    if (place / payload.DATA).is_symlink():
        payload.link(place)


def _directory(point: Path) -> None:
    if point.is_symlink():
        point.unlink()  # what it led to is linked one by one, in the directory that takes its place
    try:
        point.mkdir()
    except FileExistsError:
        if not point.is_dir():
            raise
    else:
        point.chmod(MODE)


def _file(point: Path) -> None:
    if point.is_symlink():
        if point.is_dir():
            return _directory(point)  # a file does not go there: the runtime says so
        point.unlink()
    if not point.exists():
        point.touch()
        point.chmod(payload.MOUNT_POINT | 0o644)
    return None
