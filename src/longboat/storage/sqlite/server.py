"""The store process: `python -m longboat.storage.sqlite.server --database FILE --socket PATH`.

Time is read here alone and passed on: an event loop and its clock would cost this process a third of its memory.
So would argparse and logging a tenth each.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sqlite3
import sys
import time

from longboat.aio import processes
from longboat.storage.sqlite.database import Database
from longboat.storage.sqlite.listener import listen, remove
from longboat.storage.sqlite.problems import StoreProblem, explain
from longboat.storage.sqlite.schema import open_database
from longboat.storage.sqlite.service import Service

USAGE = "usage: python -m longboat.storage.sqlite.server --database FILE --socket PATH [--notify DESCRIPTOR]"


def complain(text: str) -> None:
    sys.stderr.write(f"longboat store: {text}\n")
    sys.stderr.flush()


def run(path: str, address: str, notify: int) -> None:
    """Serve the database at `path` on the socket `address` until SIGTERM or SIGINT. Raises StoreProblem.

    `notify` is one end of a stream socket (-1: none): "ready" is written to it, and the store stops when the other end
    is closed, so that it does not outlive whoever started it.
    """
    os.umask(0o077)
    processes.gain_nothing()
    processes.leave_no_core()
    try:
        database = Database(open_database(path), time.time)
    except sqlite3.Error as error:
        raise StoreProblem(explain(error, path)) from None
    listener = listen(address)
    signalled, wake = socket.socketpair()
    try:
        service = Service(database, path, listener, wall=time.time, monotonic=time.monotonic, complain=complain)
        wake.setblocking(False)
        signal.set_wakeup_fd(wake.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: None)
        service.stop_on(signalled.fileno())
        if notify >= 0:
            tell(notify, "ready")
            service.stop_on(notify)
        gc.collect()
        gc.freeze()
        service.serve()
    finally:
        remove(address)


def tell(notify: int, text: str) -> None:
    """Say `text` to whoever started this process; should that one be gone, there is nobody to tell."""
    with contextlib.suppress(OSError):
        os.write(notify, text.encode())


def main(arguments: list[str]) -> int:
    """The exit code: 0 stopped as asked, 1 could not serve, 2 bad usage."""
    flags = dict(zip(arguments[::2], arguments[1::2], strict=False))
    try:
        path, address, notify = flags.pop("--database"), flags.pop("--socket"), int(flags.pop("--notify", "-1"))
    except (KeyError, ValueError):
        flags = {"": ""}
    if flags or len(arguments) % 2:
        complain(USAGE)
        return 2
    try:
        run(path, address, notify)
    except StoreProblem as problem:
        complain(str(problem))
        if notify >= 0:
            tell(notify, str(problem))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
