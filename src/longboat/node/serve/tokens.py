"""Whose a bearer token is that is shown at a node's port: the API server says, by TokenReview (the kubelet's webhook
authentication). So metrics-server and Prometheus read nodes with the tokens of their accounts.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging

import msgspec

from longboat.aio.cache import BoundedCache
from longboat.aio.clock import Clock
from longboat.api import kinds
from longboat.client.interface import Client
from longboat.machinery.errors import StatusError
from longboat.node.serve.http import Caller

log = logging.getLogger(__name__)

KNOWN_FOR = 120.0  # seconds a token is believed (kubelet, authentication.webhook.cacheTTL)
MOST, MOST_BYTES = 1_000, 1 << 20  # tokens that are remembered
LONGEST = 16 << 10  # bytes of a token
AT_ONCE = 8  # reviews: whoever shows tokens without end waits behind themselves


class _User(msgspec.Struct):
    username: str = ""
    groups: tuple[str, ...] = ()


class _Status(msgspec.Struct):
    authenticated: bool = False
    user: _User = msgspec.field(default_factory=_User)


class _Review(msgspec.Struct):
    status: _Status


class Tokens:
    """Call it with a token. None for one that is nobody's, or while nobody can say whose."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._known: BoundedCache[bytes, tuple[float, Caller]] = BoundedCache(
            MOST, MOST_BYTES, lambda digest, found: 256 + sum(map(len, (found[1].name, *found[1].groups)))
        )
        self._places = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, token: str) -> Caller | None:
        if not token or len(token) > LONGEST:
            return None
        digest, now = hashlib.sha256(token.encode("utf-8", "replace")).digest(), self._clock.monotonic()
        known = self._known.get(digest)
        if known is not None and now < known[0]:
            return known[1]
        async with self._places:
            caller = await self._ask(token)
        if caller is not None:
            self._known.put(digest, (now + KNOWN_FOR, caller))
        return caller

    async def _ask(self, token: str) -> Caller | None:
        kind = kinds.TOKEN_REVIEW
        review = {"apiVersion": kind.api_version, "kind": kind.name, "spec": {"token": token}}
        try:
            status = msgspec.json.decode(await self._client.create(kind, review), type=_Review).status
        except (StatusError, OSError, msgspec.DecodeError) as error:
            log.warning("a token could not be reviewed: %s", error)
            return None
        user = status.user
        return Caller(user.username, user.groups) if status.authenticated and user.username else None
