"""Bytes to and from a control plane in a process of its own, over TLS, and what they cost it."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
from pathlib import Path

from integration.apiserver.process import ControlPlane
from longboat.aio.clock import SystemClock
from longboat.apiserver.pki import Authority, Pair, _read_certificate, _read_key


def connect(plane: ControlPlane, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
    """A connection of nobody, or of whose certificate `context` shows."""
    plain = socket.create_connection(("127.0.0.1", plane.port), timeout=20)
    return (context or plane.context(client=False)).wrap_socket(plain, server_hostname="127.0.0.1")


def answer(client: socket.socket) -> bytes:
    """Everything until the server hangs up."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while data := client.recv(65536):
            found += data
    return found


def tell(plane: ControlPlane, request: bytes, context: ssl.SSLContext | None = None) -> tuple[int, str]:
    """Status and body of what a whole request is answered. Raises HTTPException where there is no answer."""
    with connect(plane, context) as client:
        client.sendall(request)
        response = http.client.HTTPResponse(client)
        response.begin()
        return response.status, response.read().decode()


def rss(pid: int) -> int:
    """Bytes of memory that a process has in hand."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def authority(plane: ControlPlane, name: str) -> Authority:
    """One of the control plane's own: "ca" or "front-proxy-ca"."""
    pair = Pair(plane.data / "pki" / f"{name}.crt", plane.data / "pki" / f"{name}.key")
    return Authority(pair, _read_certificate(pair.certificate), _read_key(pair.key))


def client(plane: ControlPlane, folder: Path, name: str, *groups: str, by: str = "ca") -> ssl.SSLContext:
    """TLS as somebody whose certificate one of the authorities signs."""
    pair = authority(plane, by).issue(Pair(folder / f"{name}.crt", folder / f"{name}.key"), SystemClock(), name, groups)
    context = plane.context(client=False)
    context.load_cert_chain(pair.certificate, pair.key)
    return context
