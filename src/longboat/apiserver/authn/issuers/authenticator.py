"""Whose a token of one of the issuers is. What has been verified is remembered, never beyond its end, and only while
the issuer's keys are those that it was verified by."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec

from longboat.aio.cache import BoundedCache
from longboat.aio.clock import Clock
from longboat.aio.histogram import Histogram
from longboat.aio.tasks import Tasks
from longboat.apiserver.authn.identity import Refused, Unknown
from longboat.apiserver.authn.issuers import claims as mapping
from longboat.apiserver.authn.issuers.configuration import Issuer
from longboat.apiserver.authn.issuers.keys import Keys, Unverified
from longboat.apiserver.authn.tokens import bearer
from longboat.apiserver.request import Request
from longboat.machinery.fieldpath import quoted
from longboat.machinery.objects import timestamp
from longboat.machinery.user import User

MAX_TOKENS, MAX_REMEMBERED = 4096, 8 << 20  # and bytes
LONGEST = 64 << 10  # characters of a token that is looked at
EARLY = 300.0  # seconds by which a token may come before its not-before (go-oidc)
BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0)
_GOOGLE = "accounts.google.com"  # says its tokens are of that, and is asked for by a URL


class IssuerTokens:
    """Of one issuer. `seconds`: how long it took to find out, by outcome."""

    def __init__(self, issuer: Issuer, clock: Clock, tasks: Tasks) -> None:
        self.issuer = issuer
        self.keys = Keys(issuer, clock, tasks)
        self.seconds: dict[str, Histogram] = {}
        self._clock = clock
        self._known: BoundedCache[bytes, tuple[User, float]] = BoundedCache(MAX_TOKENS, MAX_REMEMBERED, _size)
        self._changes = 0

    async def user(self, token: str) -> User:
        """Raises Refused."""
        now = self._clock.now().timestamp()
        digest = sha256(token.encode()).digest()
        if self._changes != self.keys.changes:
            self._changes = self.keys.changes
            self._known.clear()
        if (found := self._known.get(digest)) is not None:
            if now < found[1]:
                return found[0]
            self._known.pop(digest)
        began, outcome = self._clock.monotonic(), "failure"
        try:
            user, until = await self._user(token)
            outcome = "success"
        finally:
            spent = self.seconds.setdefault(outcome, Histogram(BUCKETS))
            spent.observe(self._clock.monotonic() - began)
        if self._changes == self.keys.changes:
            self._known.put(digest, (user, until))
        return user

    async def _user(self, token: str) -> tuple[User, float]:
        """And until when it is good. Raises Refused."""
        if not self.keys.ready:
            raise Refused("oidc: authenticator not initialized")
        try:
            until = self._check(payload_of(token))
            said = msgspec.json.decode(await self.keys.verify(token))
        except Unverified as error:
            raise Refused(f"oidc: verify token: oidc: {error}") from None
        except msgspec.DecodeError as error:
            raise Refused(f"oidc: parse claims: {error}") from None
        return await mapping.user_of(said, self.issuer.mapper), until

    def _check(self, said: dict[str, Any]) -> float:
        """What can be seen before the signature: for whom it is, and when. Raises Unverified."""
        audiences = said.get("aud")
        listed = [audiences] if isinstance(audiences, str) else audiences
        if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
            listed = []
        wanted = self.issuer.audiences
        if not set(wanted) & set(listed):
            got = f"[{' '.join(map(quoted, listed))}]"
            if len(wanted) == 1:
                raise Unverified(f"expected audience {quoted(wanted[0])} got {got}")
            raise Unverified(f"expected audience in [{' '.join(map(quoted, sorted(wanted)))}] got {got}")
        until, since = _number(said, "exp"), _number(said, "nbf")
        now = self._clock.now()
        if until is None or until <= now.timestamp():
            shown = timestamp(type(now).fromtimestamp(until or 0, now.tzinfo)) if (until or 0) < 1 << 36 else str(until)
            raise Unverified(f"token is expired (Token Expiry: {shown})")
        if since is not None and now.timestamp() + EARLY < since:
            raise Unverified(f"current time {timestamp(now)} before the nbf (not before) time")
        return until


class Tokens:
    """Of several issuers: a token is its issuer's business alone."""

    def __init__(self, issuers: Sequence[IssuerTokens]) -> None:
        self.issuers = {each.issuer.url: each for each in issuers}

    async def identify(self, request: Request) -> User | None:
        token = bearer(request)
        if not token or not self.issuers:
            return None
        issuer = self.issuers.get(issuer_of(token))
        if issuer is None:
            raise Unknown("no issuer's token")
        return await issuer.user(token)


def issuer_of(token: str) -> str:
    """Whose it says it is; "" for what is no token."""
    try:
        found = payload_of(token).get("iss")
    except Unverified:
        return ""
    if not isinstance(found, str):
        return ""
    return f"https://{_GOOGLE}" if found == _GOOGLE else found


def payload_of(token: str) -> dict[str, Any]:
    """What it says, whoever has signed it. Raises Unverified."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > LONGEST:
        raise Unverified("malformed jwt")
    try:
        encoded = parts[1] + "=" * (-len(parts[1]) % 4)
        found = msgspec.json.decode(base64.b64decode(encoded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise Unverified(f"malformed jwt: {error}") from None
    if not isinstance(found, dict):
        raise Unverified("malformed jwt: no object")
    return found


def _number(said: dict[str, Any], name: str) -> float | None:
    found = said.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise Unverified(f"failed to unmarshal claims: {name} is no number")
    return float(found)


def _size(digest: bytes, found: tuple[User, float]) -> int:
    user = found[0]
    texts = [user.name, user.uid, *user.groups]
    for key, values in user.extra.items():
        texts += [key, *values]
    return 256 + sum(64 + 4 * len(text) for text in texts)
