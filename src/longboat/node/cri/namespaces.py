"""Sockets inside a pod's network namespace, without leaving our own."""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import threading
from concurrent.futures import Future

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


async def connect(namespace: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to localhost:port in the namespace whose file is given, by IPv4, else IPv6. Raises OSError."""
    refused = OSError()
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        made = await asyncio.wrap_future(_socket_inside(namespace, family))
        try:
            await asyncio.get_running_loop().sock_connect(made, (host, port))
        except OSError as error:
            made.close()
            refused = refused if refused.errno else error
            continue
        return await asyncio.open_connection(sock=made)
    raise refused


def _socket_inside(namespace: str, family: int) -> Future[socket.socket]:
    """A socket belongs to the namespace its thread was in when it was made; a thread of its own goes there and ends."""
    made: Future[socket.socket] = Future()

    def work() -> None:
        try:
            descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if _libc.setns(descriptor, CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
            finally:
                os.close(descriptor)
            inside = socket.socket(family, socket.SOCK_STREAM)
            inside.setblocking(False)
            made.set_result(inside)
        except OSError as error:
            made.set_exception(error)

    threading.Thread(target=work, name="inside-pod", daemon=True).start()
    return made
