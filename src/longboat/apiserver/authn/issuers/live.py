"""An authentication configuration in use: read again whenever its file changes.

What replaces it is taken up once all of its issuers have been found; until then, or where one of them cannot be, the
former holds (upstream, options/authentication.go).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.apiserver.authn.issuers.authenticator import IssuerTokens, Tokens
from longboat.apiserver.authn.issuers.configuration import ANONYMOUS_CHANGED, Anonymous, Configuration, parse
from longboat.apiserver.followed import Followed, server_hash
from longboat.apiserver.request import Request
from longboat.machinery.configfile import BadConfiguration
from longboat.machinery.exposition import Family, Sample, spread
from longboat.machinery.user import User

PATIENCE = 60.0  # seconds that a changed file's issuers may take to be found
SECONDS, FETCHED, KEYS = (
    f"apiserver_authentication_jwt_authenticator_{name}"
    for name in ("latency_seconds", "jwks_fetch_last_timestamp_seconds", "jwks_fetch_last_key_set_info")
)
HELP_SECONDS = (
    "[ALPHA] Latency of jwt authentication operations in seconds. This is the time spent authenticating a token for "
    "cache miss only (i.e. when the token is not found in the cache)."
)
HELP_FETCHED = (
    "[ALPHA] Timestamp of the last successful or failed JWKS fetch split by result, api server identity and jwt "
    "issuer for the JWT authenticator."
)
HELP_KEYS = (
    "[ALPHA] Information about the last JWKS fetched by the JWT authenticator with hash as label, split by api server "
    "identity and jwt issuer."
)


@dataclass(frozen=True, slots=True)
class Settings:
    """`data`: what the file said when `configuration` was read from it."""

    configuration: Configuration = field(default_factory=Configuration)
    anonymous: Anonymous = field(default_factory=Anonymous)
    file: Path | None = None
    data: bytes = b""


class Issuers:
    """`disallowed`: issuers that are no others, which a file may not name."""

    def __init__(self, settings: Settings, disallowed: Collection[str], clock: Clock) -> None:
        self._settings, self._disallowed, self._clock = settings, disallowed, clock
        self._anonymous = settings.configuration.anonymous or settings.anonymous
        self._tasks = Tasks("issuers")
        self._tokens = Tokens([])
        self._followed = (
            Followed("authentication", settings.file, settings.data, clock, self._use) if settings.file else None
        )

    def start(self) -> None:
        self._tokens = self._made(self._settings.configuration, self._tasks)
        if self._followed:
            self._followers = Tasks("authentication configuration")
            self._followers.spawn("follow", self._followed.run())

    async def close(self) -> None:
        if self._followed:
            await self._followers.close()
        await self._tasks.close()

    async def identify(self, request: Request) -> User | None:
        """Raises Rejected."""
        return await self._tokens.identify(request)

    def anonymous(self, request: Request) -> bool:
        """Whether a request without a credential may be anybody's."""
        paths = self._anonymous.paths
        return self._anonymous.enabled and (paths is None or request.path in paths)

    def _made(self, configuration: Configuration, tasks: Tasks) -> Tokens:
        issuers = [IssuerTokens(each, self._clock, tasks) for each in configuration.issuers]
        for each in issuers:
            tasks.spawn(f"discovery of {each.issuer.url}", each.keys.run())
        return Tokens(issuers)

    async def _use(self, data: bytes) -> None:
        """Raises BadConfiguration."""
        found = parse(data, self._disallowed)
        if found.anonymous != self._settings.configuration.anonymous:
            raise BadConfiguration(ANONYMOUS_CHANGED)
        tasks = Tasks("issuers")
        try:
            tokens = self._made(found, tasks)
            until = self._clock.monotonic() + PATIENCE
            while waiting := [url for url, each in tokens.issuers.items() if not each.keys.ready]:
                if self._clock.monotonic() >= until:
                    raise BadConfiguration(f"not found within {PATIENCE:g}s: {', '.join(waiting)}")
                await self._clock.sleep(0.1)
        except BaseException:
            await tasks.close()
            raise
        former, self._tasks, self._tokens = self._tasks, tasks, tokens
        await former.close()

    def families(self) -> Iterator[Family]:
        if self._followed:
            yield from self._followed.families()
        server, issuers = server_hash(), list(self._tokens.issuers.items())
        named = [({"jwt_issuer_hash": "sha256:" + sha256(url.encode()).hexdigest()}, each) for url, each in issuers]
        yield Family(SECONDS, "histogram", HELP_SECONDS, [
            sample for name, each in named for outcome, seconds in list(each.seconds.items())
            for sample in spread(seconds, {**name, "result": outcome})
        ])  # fmt: skip
        yield Family(FETCHED, "gauge", HELP_FETCHED, [
            Sample(at, {**name, "result": outcome, "apiserver_id_hash": server})
            for name, each in named for outcome, at in list(each.keys.last.items())
        ])  # fmt: skip
        yield Family(KEYS, "gauge", HELP_KEYS, [
            Sample(1, {**name, "hash": each.keys.digest, "apiserver_id_hash": server})
            for name, each in named if each.keys.digest
        ])  # fmt: skip
