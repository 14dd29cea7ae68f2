"""Where a webhook is, whom it has to be, and how much of it may be asked for: of admission's, and of conversions'.

A connection that has answered is kept and used again: to set one up anew costs more than most webhooks take to answer.
There are few, they end when nobody has used them for a while, and with the configuration that they were made for
(`close`): another certificate authority is another target.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

from longboat.aio.clock import Clock, Timer
from longboat.apiserver.admission.webhooks.credentials import HTTPS, NONE, Credentials
from longboat.apiserver.dial import Connection
from longboat.client.kubeconfig import Credential
from longboat.machinery.objects import Object

KEPT = 10  # connections to it that nobody uses just now
IDLE = 30.0  # seconds after which one of these is closed

Address = tuple[str, int]
"""An address or a name, and a port."""


@dataclass(slots=True)
class _Kept:
    connection: Connection
    address: Address
    since: float

    def end(self) -> None:
        self.connection[1].transport.abort()


class Target:
    """`config`: a WebhookClientConfig. `seconds`: of one exchange. `at_once`: exchanges with it. `who`: as whom it is
    asked."""

    def __init__(self, config: Object, seconds: int, at_once: int, who: Credentials = NONE) -> None:
        self.config, self.seconds = config, seconds
        self._who = who
        self.places = asyncio.Semaphore(at_once)  # for exchanges with it; who finds none waits, and its time runs
        self._kept: deque[_Kept] = deque()  # the one that was used last comes last
        self._sweeping: Timer | None = None
        self._closed = False

    @cached_property
    def context(self) -> ssl.SSLContext:
        """Raises ssl.SSLError, ValueError."""
        bundle = self.config.get("caBundle")
        if bundle:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cadata=base64.b64decode(bundle).decode("ascii", "ignore"))
        else:
            context = ssl.create_default_context()
        if self.credential is not None:
            self.credential.show(context)
        return context

    @cached_property
    def credential(self) -> Credential | None:
        if self._who is NONE:
            return None
        split = urlsplit(self.url(self.seconds))
        return self._who.of(split.hostname or "", split.port or HTTPS)

    def url(self, seconds: int) -> str:
        """As upstream writes it, with what it tells the webhook of its time."""
        if service := self.config.get("service"):
            port = service.get("port") or 443
            url = f"https://{service['name']}.{service['namespace']}.svc:{port}{service.get('path') or ''}"
        else:
            url = self.config["url"]
        return f"{url}?timeout={seconds}s"

    @property
    def idle(self) -> int:
        """Connections that nobody uses just now."""
        return len(self._kept)

    def take(self, address: Address) -> Connection | None:
        """A kept connection to there that its peer has not closed yet, as far as one can see."""
        for kept in reversed(self._kept):
            if kept.address != address:
                continue
            self._kept.remove(kept)
            reader, writer = kept.connection
            if not reader.at_eof() and not writer.is_closing():
                return kept.connection
            kept.end()
            return self.take(address)
        return None

    def keep(self, connection: Connection, address: Address, clock: Clock) -> None:
        if self._closed:
            connection[1].transport.abort()
            return
        self._kept.append(_Kept(connection, address, clock.monotonic()))
        if len(self._kept) > KEPT:
            self._kept.popleft().end()
        if self._sweeping is None:
            self._sweeping = clock.call_later(IDLE, lambda: self._sweep(clock))

    def _sweep(self, clock: Clock) -> None:
        self._sweeping = None
        while self._kept and self._kept[0].since <= clock.monotonic() - IDLE:
            self._kept.popleft().end()
        if self._kept:
            left = self._kept[0].since + IDLE - clock.monotonic()
            self._sweeping = clock.call_later(left, lambda: self._sweep(clock))

    def close(self) -> None:
        """Its configuration is gone: what is under way ends as it would have, and nothing is kept."""
        self._closed = True
        while self._kept:
            self._kept.pop().end()
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
