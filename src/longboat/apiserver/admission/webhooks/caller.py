"""Asking a webhook: one exchange over TLS with a URL, or with a ready endpoint of a Service."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

import msgspec

from longboat.aio.clock import Clock
from longboat.aio.http import client as http1
from longboat.aio.http.client import BadMessage
from longboat.api import kinds
from longboat.api.families import in_url
from longboat.apiserver.admission.chain import Lookup
from longboat.apiserver.admission.webhooks.figures import Figures
from longboat.apiserver.admission.webhooks.hooks import Hook
from longboat.apiserver.admission.webhooks.review import Unanswered
from longboat.apiserver.admission.webhooks.target import Target
from longboat.apiserver.dial import Dialer, NotAllowed, untrusted
from longboat.apiserver.endpoints import ready
from longboat.machinery.objects import dig
from longboat.registry.store import Store

MOST = 4 << 20  # bytes of an answer: an object may be 1.5 MiB, its patch as much again in base64
LOOKUPS = 2  # of names at once: each takes a thread, for as long as a dead resolver likes


class Caller:
    """`dialer` may be replaced by one that knows more of what may not be dialled."""

    def __init__(self, dialer: Dialer, lookup: Lookup, slices: Store, clock: Clock) -> None:
        self.dialer = dialer
        self.figures = Figures()
        self._lookup = lookup
        self._slices = slices
        self._clock = clock
        self._dice = random.Random()
        self._lookups = asyncio.Semaphore(LOOKUPS)

    async def ask(self, hook: Hook, body: bytes) -> bytes:
        """The answer's body. Raises Unanswered."""
        try:
            return await self.exchange(hook.target, body)
        except Unanswered as error:
            raise Unanswered(f"failed to call webhook: {error}") from None

    async def exchange(self, target: Target, body: bytes) -> bytes:
        """As `ask`, of any webhook. Raises Unanswered, in the words of upstream's client."""
        url = target.url
        try:
            async with self._clock.timeout(target.seconds), target.places:
                return await self._exchange(target, url, body)
        except TimeoutError:
            raise Unanswered(f'Post "{url}": context deadline exceeded') from None
        except ssl.SSLCertVerificationError as error:
            raise Unanswered(f'Post "{url}": {untrusted(error)}') from None
        except (OSError, NotAllowed, BadMessage, ValueError) as error:
            raise Unanswered(f'Post "{url}": {error}') from None

    async def _exchange(self, target: Target, url: str, body: bytes) -> bytes:
        split = urlsplit(url)
        name, port = split.hostname or "", split.port or 443
        service = target.config.get("service")
        targets = self._endpoints(service) if service else [(ip, port) for ip in await self._addresses(name, port)]
        ip, number = self._dice.choice(targets) if service else targets[0]
        try:
            reader, writer = await self.dialer.open(ip, number, target.context, local=not service, name=name)
        except ConnectionRefusedError:
            raise OSError(f"dial tcp {in_url(ip)}:{number}: connect: connection refused") from None
        try:
            headers = [("Host", split.netloc), ("Content-Type", "application/json"), ("Accept", "application/json"),
                       ("Content-Length", str(len(body))), ("Connection", "close")]  # fmt: skip
            writer.write(http1.encode_request("POST", f"{split.path or '/'}?{split.query}", headers) + body)
            await writer.drain()
            head = await http1.read_response(reader)
            data = await http1.read_body(reader, head, MOST + 1)
        finally:
            writer.transport.abort()  # at once: a peer that hangs would not answer a farewell either
        return _accepted(head.status, head.headers.get("content-type", ""), data)

    async def _addresses(self, name: str, port: int) -> list[str]:
        """Raises OSError. A lookup that nobody waits for any more keeps its place until it ends."""

        async def look_up() -> list[str]:
            async with self._lookups:
                found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
            return [str(each[4][0]) for each in found]

        looking = asyncio.ensure_future(look_up())
        looking.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            return await asyncio.shield(looking)
        except socket.gaierror:
            raise OSError(f"dial tcp: lookup {name}: no such host") from None

    def _endpoints(self, service: Any) -> list[tuple[str, int]]:
        """Raises OSError."""
        namespace, name, port = service["namespace"], service["name"], service.get("port") or 443
        found = self._lookup(kinds.SERVICE, namespace, name)
        if found is None:
            raise OSError(f'service "{name}" not found')
        named = next(
            (p.get("name") or "" for p in dig(found, "spec", "ports", default=()) or () if p["port"] == port), None
        )
        if named is None:
            raise OSError(f'no service port {port} found for service "{name}"')
        targets = ready(self._slices, namespace, name, named)
        if not targets:
            raise OSError(f'no endpoints available for service "{name}"')
        return targets


def _accepted(status: int, content_type: str, data: bytes) -> bytes:
    """Raises Unanswered, in the words of upstream's client."""
    if len(data) > MOST:
        raise Unanswered(f"the answer is larger than {MOST} bytes")
    if not 200 <= status < 300:
        raise Unanswered(_refusal(status, data))
    if not data:
        raise Unanswered(f"0-length response with status code: {status} and content type: {content_type}")
    return data


def _refusal(status: int, data: bytes) -> str:
    try:
        said = msgspec.json.decode(data)
    except msgspec.DecodeError:
        said = None
    if isinstance(said, dict) and said.get("kind") == "Status" and said.get("message"):
        return str(said["message"])
    if status == 404:
        return "the server could not find the requested resource"
    if status >= 500:
        return 'an error on the server ("unknown") has prevented the request from succeeding'
    return f"the server responded with the status code {status} but did not return more information"
