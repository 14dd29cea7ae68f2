"""ConfigMaps, Secrets and tokens for pods, asked for once however many pods need them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from longboat.aio.clock import Clock
from longboat.api import kinds
from longboat.client.informer import Informers
from longboat.client.interface import Client, Key
from longboat.machinery.errors import StatusError
from longboat.node.followed import Followed, Subject
from longboat.node.views.objects import ConfigMap, Secret
from longboat.node.views.pod import Pod
from longboat.node.views.volumes import TokenProjection

T = TypeVar("T")
FRESH = 1.0  # seconds: many pods start together and share one answer
MAX_TOKEN_AGE = 24 * 3600.0  # seconds after which a token is replaced however long it lasts
TOKEN_SHARE = 0.8  # of its life


class Sources(Protocol):
    """None stands for what does not exist. Raise StatusError and ConnectionError."""

    async def config_map(self, key: Key) -> ConfigMap | None: ...

    async def secret(self, key: Key) -> Secret | None: ...

    async def token(self, pod: Pod, wanted: TokenProjection) -> str: ...

    async def token_until(self, pod: Pod, wanted: TokenProjection) -> tuple[str, datetime]:
        """The same token, and when it ends."""
        ...

    def follow(self, pod: Pod, subjects: Iterable[Subject]) -> None:
        """Tell of changes to these: the pod's volumes are made of them."""
        ...

    def unfollow(self, uid: str) -> None: ...

    def forget(self, pod: Pod) -> None: ...


class ApiSources:
    """Sources from the API. `changed` is told the uid of a pod when something changes that its volumes are made of."""

    def __init__(
        self, client: Client, informers: Informers, clock: Clock, changed: Callable[[str], None] = lambda uid: None
    ) -> None:
        self._followed = Followed(informers, changed)
        self._config_maps: _Shared[ConfigMap] = _Shared(clock, lambda key: client.get(ConfigMap, key))
        self._secrets: _Shared[Secret] = _Shared(clock, lambda key: client.get(Secret, key))
        self._tokens: dict[tuple[str, TokenProjection], _Token] = {}
        self._client, self._clock = client, clock

    async def config_map(self, key: Key) -> ConfigMap | None:
        known, found = self._followed.find(Subject(ConfigMap, key))
        return found if known else await self._config_maps.get(key)

    async def secret(self, key: Key) -> Secret | None:
        known, found = self._followed.find(Subject(Secret, key))
        return found if known else await self._secrets.get(key)

    async def token(self, pod: Pod, wanted: TokenProjection) -> str:
        """One bound to the pod; the same until most of its life is over."""
        text, _ = await self.token_until(pod, wanted)
        return text

    async def token_until(self, pod: Pod, wanted: TokenProjection) -> tuple[str, datetime]:
        known = self._tokens.get((pod.uid, wanted))
        now = self._clock.now()
        if known is not None and now < known.replace_at:
            return known.text, known.expires
        made = await self._request(pod, wanted)
        asked = min((made.expires - now).total_seconds(), wanted.expirationSeconds)
        made.replace_at = datetime.fromtimestamp(
            now.timestamp() + min(asked * TOKEN_SHARE, MAX_TOKEN_AGE), tz=now.tzinfo
        )
        self._tokens[pod.uid, wanted] = made
        return made.text, made.expires

    def follow(self, pod: Pod, subjects: Iterable[Subject]) -> None:
        self._followed.follow(pod.uid, subjects)

    def unfollow(self, uid: str) -> None:
        self._followed.forget(uid)

    def forget(self, pod: Pod) -> None:
        self.unfollow(pod.uid)
        for key in [key for key in self._tokens if key[0] == pod.uid]:
            del self._tokens[key]

    async def _request(self, pod: Pod, wanted: TokenProjection) -> _Token:
        meta = pod.metadata
        spec: dict[str, Any] = {
            "audiences": [wanted.audience] if wanted.audience else [],
            "expirationSeconds": wanted.expirationSeconds,
            "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": meta.name, "uid": meta.uid},
        }
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer = await self._client.create(
            kinds.SERVICE_ACCOUNT, body, namespace=meta.namespace, name=pod.spec.serviceAccountName,
            subresource="token",
        )  # fmt: skip
        status = msgspec.json.decode(answer)["status"]
        expires = datetime.fromisoformat(status["expirationTimestamp"])
        return _Token(status["token"], expires, expires)


class _Token(msgspec.Struct):
    text: str
    expires: datetime
    replace_at: datetime


class _Shared(Generic[T]):
    """Answers that are new enough are shared, and so are questions under way."""

    def __init__(self, clock: Clock, fetch: Callable[[Key], Awaitable[T]]) -> None:
        self._clock, self._fetch = clock, fetch
        self._answers: dict[Key, tuple[float, asyncio.Future[T | None]]] = {}

    async def get(self, key: Key) -> T | None:
        now = self._clock.monotonic()
        asked, answer = self._answers.get(key, (0.0, None))
        if answer is None or now - asked > FRESH or (answer.done() and answer.exception()):
            answer = asyncio.ensure_future(self._ask(key))
            self._answers[key] = (now, answer)
            self._forget_old(now)
        found: T | None = await asyncio.shield(answer)
        return found

    async def _ask(self, key: Key) -> T | None:
        try:
            return await self._fetch(key)
        except StatusError as error:
            if error.code == 404:
                return None
            raise

    def _forget_old(self, now: float) -> None:
        for key in [key for key, (asked, answer) in self._answers.items() if now - asked > FRESH and answer.done()]:
            del self._answers[key]
