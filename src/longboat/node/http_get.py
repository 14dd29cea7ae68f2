"""A single HTTP GET, as probes and hooks make it: no redirect to other hosts, no certificate checks, bounded."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from urllib.parse import urljoin, urlsplit

import msgspec

from longboat.aio.http.client import BadMessage, ResponseHead, read_body, read_response
from longboat.node.cri.interface import Streams, Writer
from longboat.node.views.handlers import HTTPGetAction

MAX_BODY = 10 << 10  # bytes of an answer that are looked at (kubelet, probe/http)
MAX_HOPS = 10
AGENT = "kube-probe/1.36"

Dial = Callable[[str, int], Awaitable[Streams]]


class Answer(msgspec.Struct, frozen=True):
    """`moved` is where a redirect to another host pointed, which was not followed."""

    status: int
    body: bytes
    moved: str = ""


def url(action: HTTPGetAction, host: str, port: int) -> str:
    path = action.path if action.path.startswith("/") else f"/{action.path}"
    host = f"[{host}]" if ":" in host else host
    return f"{action.scheme.lower()}://{host}:{port}{path}"


async def get(address: str, headers: list[tuple[str, str]], dial: Dial) -> Answer:
    """Raises OSError, BadMessage and asyncio.IncompleteReadError."""
    first = urlsplit(address)
    for _ in range(MAX_HOPS):
        head, body = await _once(address, headers, dial)
        location = head.headers.get("location")
        if head.status not in (301, 302, 303, 307, 308) or not location:
            return Answer(head.status, body)
        address = urljoin(address, location)
        if urlsplit(address).hostname != first.hostname:
            return Answer(head.status, body, address)
    raise BadMessage(f"stopped after {MAX_HOPS} redirects")


async def _once(address: str, headers: list[tuple[str, str]], dial: Dial) -> tuple[ResponseHead, bytes]:
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    reader, writer = await dial(parts.hostname or "", port)
    try:
        if parts.scheme == "https":
            await _start_tls(writer, parts.hostname or "")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        writer.write(_request(path, parts.netloc, headers))
        await writer.drain()
        head = await read_response(reader)
        return head, await read_body(reader, head, MAX_BODY)
    finally:
        writer.close()


def _request(path: str, host: str, headers: list[tuple[str, str]]) -> bytes:
    given = {name.lower() for name, _ in headers}
    lines = [f"GET {path} HTTP/1.1"]
    if "host" not in given:
        lines.append(f"Host: {host}")
    if "user-agent" not in given:
        lines.append(f"User-Agent: {AGENT}")
    if "accept" not in given:
        lines.append("Accept: */*")
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1", "replace")


async def _start_tls(writer: Writer, host: str) -> None:
    """Probes look whether something answers, not who: certificates are not checked (Probe, HTTPGetAction v1)."""
    if not isinstance(writer, asyncio.StreamWriter):
        raise OSError("this connection does not do TLS")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        await writer.start_tls(context, server_hostname=host)
    except ssl.SSLError as error:
        raise OSError(str(error)) from error
