"""Somebody outside who is asked whose a token is (authentication.k8s.io TokenReview): after all who would know at once.

Answers are kept, good and bad ones; of several who show one token at the same time one asks. Whoever hangs holds up
only tokens that nobody else knows.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

import msgspec

from longboat.aio.backoff import doubling
from longboat.aio.cache import BoundedCache
from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.apiserver.authn.identity import Refused, Rejected, Unknown, known
from longboat.apiserver.authn.tokens import bearer
from longboat.apiserver.remote import Remote, Unreachable
from longboat.apiserver.request import Request
from longboat.machinery.exposition import Family, Sample
from longboat.machinery.user import User

log = logging.getLogger(__name__)

SECONDS, TRIES, BACKOFF = 30.0, 5, 0.5  # for an answer, all attempts together; attempts, and seconds between two
MAX_TOKENS, MAX_REMEMBERED = 4096, 8 << 20  # and bytes
LONGEST = 64 << 10  # characters of a token that anybody is asked about


@dataclass(frozen=True, slots=True)
class Settings:
    """`kept`: seconds that an answer is."""

    remote: Remote
    version: str = "v1beta1"
    kept: float = 120.0


class _User(msgspec.Struct, frozen=True):
    username: str = ""
    uid: str = ""
    groups: list[str] | None = None
    extra: dict[str, list[str]] | None = None


class _Status(msgspec.Struct, frozen=True):
    authenticated: bool = False
    user: _User = _User()
    audiences: list[str] | None = None
    error: str = ""


class _Review(msgspec.Struct):
    status: _Status = _Status()


class _Answer(NamedTuple):
    """`user` None: nobody's, for the reason `error`."""

    user: User | None
    audiences: list[str]
    error: str = ""


_decode = msgspec.json.Decoder(_Review).decode


class TokenWebhook:
    """`audiences`: for whom a token is meant of which the webhook does not say it."""

    def __init__(self, settings: Settings, audiences: Collection[str], clock: Clock) -> None:
        self._settings, self._audiences, self._clock = settings, list(audiences), clock
        self._tasks = Tasks("token webhook")
        self._kept: BoundedCache[bytes, tuple[_Answer, float]] = BoundedCache(MAX_TOKENS, MAX_REMEMBERED, _size)
        self._asking: dict[bytes, asyncio.Task[_Answer]] = {}
        self._asked: Counter[str] = Counter()
        self._found: Counter[str] = Counter()

    async def close(self) -> None:
        await self._tasks.close()

    async def identify(self, request: Request) -> User | None:
        """Raises Rejected."""
        token = bearer(request)
        return (await self.user(token, request))[0] if token else None

    async def user(self, token: str, request: Request, audiences: Collection[str] = ()) -> tuple[User, list[str]]:
        """The user, and for whom the token is meant: some of `audiences`. Raises Rejected."""
        if len(token) > LONGEST:
            raise Unknown("no such token")
        wanted = list(audiences) or self._audiences
        answer = await self._answer(token, wanted)
        if answer.error:
            raise Refused(answer.error)
        if answer.user is None:
            raise Unknown("no such token")
        return answer.user, answer.audiences

    async def _answer(self, token: str, wanted: list[str]) -> _Answer:
        """Raises Rejected."""
        body = msgspec.json.encode({
            "kind": "TokenReview", "apiVersion": f"authentication.k8s.io/{self._settings.version}", "metadata": {},
            "spec": {"token": token, "audiences": wanted}, "status": {"user": {}},
        })  # fmt: skip
        key = sha256(body).digest()
        kept = self._kept.get(key)
        if kept is not None and kept[1] > self._clock.monotonic():
            self._found["hit"] += 1
            return kept[0]
        self._found["miss"] += 1
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = self._tasks.spawn("review", self._review(key, body, wanted))
            asking.add_done_callback(lambda _: self._asking.pop(key, None))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            if asking.cancelled():
                raise Rejected("the server is going") from None
            raise

    async def _review(self, key: bytes, body: bytes, wanted: list[str]) -> _Answer:
        try:
            async with self._clock.timeout(SECONDS):
                status = await self._tried(body)
        except (TimeoutError, Unreachable, msgspec.DecodeError, msgspec.ValidationError) as error:
            self._asked["error"] += 1
            why = str(error) or f'Post "{self._settings.remote.url}": context deadline exceeded'
            log.error("the token webhook cannot be asked: %s", why)
            return _Answer(None, [], why)  # not kept: it may be there the next time
        self._asked["ok"] += 1
        answer = self._read(status, wanted)
        if self._settings.kept > 0:
            self._kept.put(key, (answer, self._clock.monotonic() + self._settings.kept))
        return answer

    def _read(self, status: _Status, wanted: list[str]) -> _Answer:
        meant = [each for each in wanted if each in (status.audiences or self._audiences)]
        if not status.authenticated:
            return _Answer(None, [], status.error)
        if not status.user.username or (wanted and not meant):
            return _Answer(None, [])
        said = status.user
        extra = {name: tuple(values) for name, values in (said.extra or {}).items()}
        return _Answer(known(said.username, said.groups or (), said.uid, extra), meant)

    async def _tried(self, body: bytes) -> _Status:
        """Raises Unreachable, msgspec.DecodeError."""
        for attempt in range(1, TRIES + 1):
            try:
                return _decode(await self._settings.remote.post(body, self._clock, SECONDS)).status
            except Unreachable as error:
                if attempt == TRIES or not error.passing:
                    raise
                await self._clock.sleep(doubling(attempt, BACKOFF, SECONDS))
        raise AssertionError("unreachable")

    def families(self) -> Iterator[Family]:
        """Under upstream's names (authentication/token/cache, stats)."""
        for name, found in (("request_total", self._found), ("fetch_total", self._asked)):
            samples = [Sample(number, {"status": status}) for status, number in list(found.items())]
            yield Family(f"authentication_token_cache_{name}", "counter", "[ALPHA]", samples)


def _size(key: bytes, found: tuple[_Answer, float]) -> int:
    answer, user = found[0], found[0].user
    texts = [answer.error, *answer.audiences]
    if user is not None:
        texts += [user.name, user.uid, *user.groups]
        for name, values in user.extra.items():
            texts += [name, *values]
    return 256 + sum(64 + 4 * len(text) for text in texts)
