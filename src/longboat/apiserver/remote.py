"""Backends of the API server that a kubeconfig names: JSON is posted to them, and JSON comes back.

Whoever wrote the file is whoever runs the server: so the backend may be on this machine, and may be named.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from longboat.aio.clock import Clock
from longboat.aio.http import client as http1
from longboat.aio.http.client import BadMessage
from longboat.client import kubeconfig
from longboat.machinery.configfile import BadConfiguration

MOST = 1 << 20  # bytes of an answer


class Unreachable(Exception):
    """The backend gave no answer that is one. `passing`: it may, if it is asked again."""

    def __init__(self, why: str, *, passing: bool = True) -> None:
        super().__init__(why)
        self.passing = passing


@dataclass(frozen=True)
class Remote:
    """`url` is the whole of what is posted to; `context` None speaks plain HTTP."""

    url: str
    context: ssl.SSLContext | None
    token: str = ""
    token_file: Path | None = None
    server_name: str = ""

    async def post(self, body: bytes, clock: Clock, seconds: float) -> bytes:
        """The body of a good answer. Raises Unreachable."""
        try:
            async with clock.timeout(seconds):
                return await self._exchange(body)
        except TimeoutError:
            raise Unreachable(f'Post "{self.url}": context deadline exceeded') from None
        except (OSError, BadMessage, ValueError) as error:
            raise Unreachable(f'Post "{self.url}": {error}') from None

    async def _exchange(self, body: bytes) -> bytes:
        split = urlsplit(self.url)
        host, port = split.hostname or "", split.port or (443 if self.context else 80)
        name = (self.server_name or host) if self.context else None
        reader, writer = await asyncio.open_connection(host, port, ssl=self.context, server_hostname=name)
        try:
            headers = [("Host", split.netloc), ("Content-Type", "application/json"), ("Accept", "application/json"),
                       ("Content-Length", str(len(body))), ("Connection", "close"), *self._credential()]  # fmt: skip
            target = (split.path or "/") + (f"?{split.query}" if split.query else "")
            writer.write(http1.encode_request("POST", target, headers) + body)
            await writer.drain()
            head = await http1.read_response(reader)
            data = await http1.read_body(reader, head, MOST + 1)
        finally:
            writer.transport.abort()  # at once: a peer that hangs would not answer a farewell either
        if not 200 <= head.status < 300:
            passing = head.status >= 500 or head.status == 429
            raise Unreachable(f"the server responded with the status code {head.status}", passing=passing)
        if len(data) > MOST:
            raise BadMessage(f"the answer is larger than {MOST} bytes")
        return data

    def _credential(self) -> list[tuple[str, str]]:
        token = self.token_file.read_text().strip() if self.token_file else self.token
        return [("Authorization", f"Bearer {token}")] if token else []


def load(file: Path) -> Remote:
    """What a kubeconfig's current context names. Raises BadConfiguration, which names the file."""
    try:
        access = kubeconfig.load(file)
    except OSError as error:
        raise BadConfiguration(f"{file}: {error.strerror or error}") from error
    except kubeconfig.BadKubeconfig as error:
        raise BadConfiguration(str(error)) from error
    split = urlsplit(access.server)
    if split.scheme not in ("http", "https") or not split.hostname:
        raise BadConfiguration(f"{file}: {access.server!r} is not a URL")
    context = access.context if split.scheme == "https" else None
    return Remote(access.server, context, access.token, access.token_file, access.server_name)
