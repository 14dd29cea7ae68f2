"""Asking an issuer for a document: one exchange, over TLS alone, bounded in time and in bytes."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any
from urllib.parse import urlsplit

import msgspec

from longboat.aio.clock import Clock
from longboat.aio.http import client as http1
from longboat.aio.http.client import BadMessage
from longboat.apiserver.dial import untrusted

SECONDS = 30.0  # for an exchange (as upstream's client)
MOST = 1 << 20  # bytes of an answer


class Unanswered(Exception):
    """There is no document, or none that is one."""


async def fetch(url: str, context: ssl.SSLContext, clock: Clock, *, token: str = "") -> bytes:
    """Raises Unanswered."""
    try:
        async with clock.timeout(SECONDS):
            return await _exchange(url, context, token)
    except TimeoutError:
        raise Unanswered(f'Get "{url}": context deadline exceeded') from None
    except ssl.SSLCertVerificationError as error:
        raise Unanswered(f'Get "{url}": {untrusted(error)}') from None
    except (OSError, BadMessage, ValueError) as error:
        raise Unanswered(f'Get "{url}": {error}') from None


async def document(url: str, context: ssl.SSLContext, clock: Clock) -> dict[str, Any]:
    """A JSON object. Raises Unanswered."""
    data = await fetch(url, context, clock)
    try:
        found = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise Unanswered(f'Get "{url}": {error}') from None
    if not isinstance(found, dict):
        raise Unanswered(f'Get "{url}": the answer is no object')
    return found


async def _exchange(url: str, context: ssl.SSLContext, token: str) -> bytes:
    split = urlsplit(url)
    if split.scheme != "https" or not split.hostname:
        raise ValueError("not a URL of https")
    target = (split.path or "/") + (f"?{split.query}" if split.query else "")
    headers = [("Host", split.netloc.rpartition("@")[2]), ("Accept", "application/json"), ("Connection", "close")]
    if token:
        headers.append(("Authorization", f"Bearer {token}"))
    message = http1.encode_request("GET", target, headers)
    reader, writer = await asyncio.open_connection(
        split.hostname, split.port or 443, ssl=context, server_hostname=split.hostname
    )
    try:
        writer.write(message)
        await writer.drain()
        head = await http1.read_response(reader)
        data = await http1.read_body(reader, head, MOST + 1)
    finally:
        writer.transport.abort()  # at once: a peer that hangs would not answer a farewell either
    if head.status != 200:
        raise ValueError(f"{head.status} {head.reason}".rstrip())
    if len(data) > MOST:
        raise ValueError(f"the answer is larger than {MOST} bytes")
    return data
