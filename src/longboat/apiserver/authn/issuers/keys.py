"""An issuer's public keys: found by discovery, kept, and looked up again when a token names one that is not known.

Everybody who waits for keys waits for the same exchange, and what strangers send cannot make us ask more often than
every few seconds: an issuer that is slow or dead delays only tokens that say they are its own.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec
from joserfc import jwk, jws
from joserfc.errors import JoseError

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.apiserver.authn.issuers.configuration import Issuer
from longboat.apiserver.authn.issuers.fetch import Unanswered, document, fetch

log = logging.getLogger(__name__)

WELL_KNOWN = "/.well-known/openid-configuration"
RETRY = 10.0  # seconds between two attempts at discovery (upstream)
SPACED = 2.0  # seconds at least between two looks at the keys
FRESH = 600.0  # seconds after which they are looked at again, beside what goes on
STALE = 3600.0  # seconds after which nobody is known by them before they have been looked at again
MOST = 64  # keys: a token that names none is tried against each
UNVERIFIED = "failed to verify signature: failed to verify id token signature"


class Unverified(Exception):
    """The token is not signed by a key of the issuer's. The message is upstream's."""


class Keys:
    """`run` finds them. `on_change` is called when other keys hold than before; `last`: when they were asked for, in
    seconds since the epoch, by outcome; `digest`: of what was answered."""

    def __init__(self, issuer: Issuer, clock: Clock, tasks: Tasks) -> None:
        self._issuer, self._clock, self._tasks = issuer, clock, tasks
        self.context = context_of(issuer.authority)
        self.last: dict[str, float] = {}
        self.digest = ""
        self._url = ""  # where keys are
        self._keys: list[jwk.Key] = []
        self._looked = float("-inf")
        self._good = float("-inf")  # when they were last answered
        self._looking: asyncio.Task[None] | None = None
        self.changes = 0

    @property
    def ready(self) -> bool:
        return bool(self._url)

    async def run(self) -> None:
        """Until the issuer has been found."""
        while not self.ready:
            try:
                self._url = await self._discover()
            except Unanswered as error:
                log.error("oidc authenticator: initializing plugin: %s", error)
                self._note("failure")
                await self._clock.sleep(RETRY)
        try:
            await self._look()
        except Unanswered as error:
            log.error("keys of %s cannot be had: %s", self._issuer.url, error)

    async def _discover(self) -> str:
        """Raises Unanswered."""
        issuer = self._issuer
        found = await document(
            issuer.discovery_url or issuer.url.removesuffix("/") + WELL_KNOWN, self.context, self._clock
        )
        if found.get("issuer") != issuer.url:
            got = msgspec.json.encode(found.get("issuer")).decode()
            wanted = msgspec.json.encode(issuer.url).decode()
            raise Unanswered(f"oidc: issuer did not match the issuer returned by provider, expected {wanted} got {got}")
        url = found.get("jwks_uri")
        if not isinstance(url, str) or not url.startswith("https://"):
            raise Unanswered(f"oidc: the jwks_uri of {issuer.url} is not a URL of https")
        return url

    async def verify(self, token: str) -> bytes:
        """What a token says that a key of the issuer's has signed. Raises Unverified."""
        try:
            header = jws.extract_compact(token.encode()).headers()
        except (JoseError, ValueError) as error:
            raise Unverified(f"malformed jwt: {error}") from None
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in self._issuer.algorithms:
            known = " ".join(msgspec.json.encode(each).decode() for each in self._issuer.algorithms)
            shown = msgspec.json.encode(algorithm).decode()
            raise Unverified(f"id token signed with unsupported algorithm, expected [{known}] got {shown}")
        age = self._clock.monotonic() - self._good
        if age < STALE and (payload := self._tried(token, algorithm, kid)) is not None:
            if age > FRESH:
                self._begin()
            return payload
        try:
            await self._look()
        except Unanswered as error:
            raise Unverified(f"failed to verify signature: fetching keys {error}") from None
        payload = self._tried(token, algorithm, kid)
        if payload is None:
            raise Unverified(UNVERIFIED)
        return payload

    def _tried(self, token: str, algorithm: str, kid: object) -> bytes | None:
        for key in self._keys:
            if kid and key.get("kid") != kid:
                continue
            try:
                return jws.deserialize_compact(token, key, algorithms=[algorithm]).payload
            except (JoseError, ValueError):
                continue  # another key's, perhaps
        return None

    async def _look(self) -> None:
        """Raises Unanswered."""
        looking = self._begin()
        try:
            await asyncio.shield(looking)
        except asyncio.CancelledError:
            if looking.cancelled():  # nobody wants to know of this issuer any more
                raise Unanswered(f"{self._issuer.url} is no issuer any more") from None
            raise

    def _begin(self) -> asyncio.Task[None]:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._renew())
            self._looking.add_done_callback(_seen)
            self._tasks.spawn(f"keys of {self._issuer.url}", _ended(self._looking))
        return self._looking

    async def _renew(self) -> None:
        """Raises Unanswered."""
        wait = self._looked + SPACED - self._clock.monotonic()
        if wait > 0:
            await self._clock.sleep(wait)
        self._looked = self._clock.monotonic()
        try:
            data = await fetch(self._url, self.context, self._clock)
            keys = list(_imported(data))
        except Unanswered:
            self._note("failure")
            raise
        self._note("success")
        self._good = self._clock.monotonic()
        digest = "sha256:" + sha256(data).hexdigest()
        if digest != self.digest:
            self._keys, self.digest = keys, digest
            self.changes += 1

    def _note(self, outcome: str) -> None:
        self.last[outcome] = self._clock.now().timestamp()


def context_of(authority: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _imported(data: bytes) -> Iterator[jwk.Key]:
    """Those that can sign tokens, by what is supported. Raises Unanswered."""
    try:
        found = msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise Unanswered(f"oidc: failed to decode keys: {error}") from None
    listed = found.get("keys")
    if not isinstance(listed, list):
        raise Unanswered("oidc: failed to decode keys: there are none")
    usable = [each for each in listed if isinstance(each, dict) and each.get("kty") in ("RSA", "EC")]
    if len(usable) > MOST:
        log.warning("of %d keys the first %d are taken", len(usable), MOST)
    for each in usable[:MOST]:
        public = {name: value for name, value in each.items() if name not in _PRIVATE}
        try:
            yield jwk.import_key(public)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            log.warning("a key is not one: %s", error)


_PRIVATE = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "key_ops", "use", "alg"))  # and what restricts them


def _seen(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, Unanswered):
        log.error("keys could not be looked at", exc_info=error)


async def _ended(task: asyncio.Task[None]) -> None:
    """So that whoever owns the group can end it."""
    try:
        await asyncio.wait([task])
    finally:
        task.cancel()
