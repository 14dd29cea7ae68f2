"""Asking a webhook: one exchange over TLS with a URL, or with a ready endpoint of a Service."""

from __future__ import annotations

import asyncio
import errno
import math
import os
import random
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakSet

import msgspec

from longboat.aio.clock import Clock
from longboat.aio.http import client as http1
from longboat.aio.http.client import BadMessage, ResponseHead
from longboat.aio.http.kept import Address
from longboat.api import kinds
from longboat.api.families import IPV4, in_url
from longboat.apiserver.admission.chain import Lookup
from longboat.apiserver.admission.webhooks.figures import Figures
from longboat.apiserver.admission.webhooks.hooks import Hook
from longboat.apiserver.admission.webhooks.review import Unanswered
from longboat.apiserver.admission.webhooks.target import Target
from longboat.apiserver.dial import Connection, Dialer, NotAllowed, untrusted
from longboat.apiserver.endpoints import ready
from longboat.machinery.objects import dig
from longboat.registry.store import Store

MOST = 4 << 20  # bytes of an answer: an object may be 1.5 MiB, its patch as much again in base64
LOOKUPS = 2  # of names at once: each takes a thread, for as long as a dead resolver likes


UNROUTED = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL)  # by kinds of routes (ip-route(8))

NO_ROUTE = " (is there a route from this server to the pods' network?)"


class Unbegun(ConnectionError):
    """A connection was closed before its answer began."""


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
        self._targets: WeakSet[Target] = WeakSet()
        self.now = clock.monotonic

    async def ask(self, hook: Hook, body: bytes, until: float = math.inf) -> bytes:
        """The answer's body. `until`: when the request that it is about has taken too long. Raises Unanswered."""
        try:
            return await self.exchange(hook.target, body, until)
        except Unanswered as error:
            raise Unanswered(f"failed to call webhook: {error}", error.code) from None

    async def exchange(self, target: Target, body: bytes, until: float = math.inf) -> bytes:
        """As `ask`, of any webhook. Raises Unanswered, in the words of upstream's client."""
        self._targets.add(target)
        left = max(until - self._clock.monotonic(), 0.0)  # whoever set that limit ends this exchange, too
        url, dialled = target.url(math.ceil(min(target.seconds, left))), list[str]()
        try:
            async with self._clock.timeout(target.seconds), target.places:
                head, data = await self._exchange(target, url, body, dialled)
        except TimeoutError:
            why = f"dial tcp {dialled[0]}: i/o timeout{NO_ROUTE}" if dialled else "context deadline exceeded"
            raise Unanswered(f'Post "{url}": {why}') from None
        except ssl.SSLCertVerificationError as error:
            raise Unanswered(f'Post "{url}": {untrusted(error)}') from None
        except (OSError, NotAllowed, BadMessage, ValueError) as error:
            raise Unanswered(f'Post "{url}": {error}') from None
        return _accepted(head.status, head.headers.get("content-type", ""), data)

    def close(self) -> None:
        for target in self._targets:
            target.close()

    async def _exchange(self, target: Target, url: str, body: bytes, dialled: list[str]) -> tuple[ResponseHead, bytes]:
        """`dialled` names the endpoint of a Service for as long as it does not answer the dial."""
        split = urlsplit(url)
        headers = [("Host", split.netloc), ("Content-Type", "application/json"), ("Accept", "application/json"),
                   ("Content-Length", str(len(body)))]  # fmt: skip
        if target.credential is not None:
            headers += target.credential.headers()
        message = http1.encode_request("POST", f"{split.path or '/'}?{split.query}", headers) + body
        service = target.config.get("service")
        name, port = split.hostname or "", split.port or 443
        address = self._dice.choice(self._endpoints(service)) if service else (name, port)
        if (kept := target.kept.take(address)) is not None:
            try:
                return await self._asked(target, address, kept, message)
            except Unbegun:
                pass  # it had been closed, as it seems, before the question came: asked anew it is asked once
        ip = address[0] if service else (await self._addresses(name, port))[0]
        where = f"{in_url(ip)}:{address[1]}"
        if service:
            dialled.append(where)
        try:
            made = await self.dialer.open(ip, address[1], target.context, local=not service, name=name)
        except ConnectionRefusedError:
            raise OSError(f"dial tcp {where}: connect: connection refused") from None
        except OSError as error:
            if service and error.errno in UNROUTED:
                raise OSError(f"dial tcp {where}: connect: {os.strerror(error.errno).lower()}{NO_ROUTE}") from None
            raise
        dialled.clear()
        return await self._asked(target, address, made, message)

    async def _asked(
        self, target: Target, address: Address, connection: Connection, message: bytes
    ) -> tuple[ResponseHead, bytes]:
        """Raises Unbegun where the peer has closed the connection without a word."""
        reader, writer = connection
        whole = False
        try:
            writer.write(message)
            try:
                await writer.drain()
                head = await http1.read_response(reader)
            except ConnectionError as error:
                raise Unbegun(*error.args) from error
            data = await http1.read_body(reader, head, MOST + 1)
            whole = len(data) <= MOST and http1.stays_open(head)
        finally:
            if not whole:
                writer.transport.abort()  # at once: a peer that hangs would not answer a farewell either
        target.kept.keep(connection, address, self._clock)
        return head, data

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
        family = next(iter(dig(found, "spec", "ipFamilies", default=()) or ()), IPV4)  # the primary
        targets = ready(self._slices, namespace, name, named, family)
        if not targets:
            raise OSError(f'no endpoints available for service "{name}"')
        return targets


def _accepted(status: int, content_type: str, data: bytes) -> bytes:
    """Raises Unanswered, in the words of upstream's client."""
    if len(data) > MOST:
        raise Unanswered(f"the answer is larger than {MOST} bytes")
    if not 200 <= status < 300:
        raise Unanswered(_refusal(status, data), status)
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
