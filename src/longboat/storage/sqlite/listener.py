"""The store's Unix socket, in a directory only its owner may enter."""

from __future__ import annotations

import errno
import os
import socket
import stat

from longboat.storage.sqlite.problems import StoreProblem

LONGEST = 107  # bytes of a path the kernel accepts (unix(7), sun_path)


def listen(path: str) -> socket.socket:
    """A listening socket at `path`; a socket left behind by a dead process is replaced. Raises StoreProblem."""
    if len(os.fsencode(path)) > LONGEST:
        raise StoreProblem(f"socket {path}: the path is longer than {LONGEST} bytes: choose a shorter data directory")
    directory = os.path.dirname(os.path.abspath(path))
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        if stat.S_IMODE(os.stat(directory).st_mode) & 0o077:
            raise StoreProblem(f"directory {directory} is open to others: chmod 700 {directory}")
        if _answers(path):
            raise StoreProblem(f"socket {path}: another store answers there: stop that one first")
        remove(path)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(64)
    except OSError as error:
        raise StoreProblem(f"socket {path}: {error.strerror}") from None
    return listener


def remove(path: str) -> None:
    """Take the socket's name away, if it is there."""
    try:
        os.unlink(path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0
