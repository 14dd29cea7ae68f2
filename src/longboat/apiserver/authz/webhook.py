"""Somebody outside who is asked whether a user may do something (authorization.k8s.io SubjectAccessReview).

Answers are kept for a while. What happens where there is none is the failure policy's: the request is refused, or
nobody has said anything. Whoever hangs holds up only those who have to ask, for `timeout` in all.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from longboat.aio.backoff import doubling
from longboat.aio.cache import BoundedCache
from longboat.aio.clock import Clock
from longboat.aio.histogram import Histogram
from longboat.apiserver.authz.action import Action, Decision
from longboat.apiserver.authz.authorizer import Asked
from longboat.apiserver.authz.conditions import Condition, described
from longboat.apiserver.authz.reviews import spec_of
from longboat.apiserver.remote import Remote, Unreachable
from longboat.machinery.exposition import Family, Sample, spread
from longboat.machinery.objects import Object
from longboat.machinery.user import User

log = logging.getLogger(__name__)

MAX_ANSWERS, MAX_REMEMBERED = 8_192, 6 << 20  # and bytes
MOST_ASKED = 10_000  # characters of what whoever asks can choose, beyond which an answer is not kept (upstream)
TRIES, BACKOFF = 5, 0.5  # attempts, and seconds between the first two (upstream)
BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0)


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds. `version`: of the review that is sent. `denies`: where there is no answer."""

    name: str
    remote: Remote
    timeout: float = 30.0
    authorized: float = 300.0
    unauthorized: float = 30.0
    version: str = "v1"
    denies: bool = False
    conditions: Sequence[Condition] = ()


class _Status(msgspec.Struct, frozen=True):
    allowed: bool = False
    denied: bool = False
    reason: str = ""
    evaluationError: str = ""


class _Review(msgspec.Struct):
    status: _Status = _Status()


_decode = msgspec.json.Decoder(_Review).decode


class Figures:
    """How webhooks fared, and their conditions, by name."""

    def __init__(self) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()  # by name and result
        self.seconds: dict[tuple[str, str], Histogram] = {}
        self.open: Counter[tuple[str, str]] = Counter()
        self.excluded: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()

    def note(self, name: str, result: str, seconds: float) -> None:
        self.asked[name, result] += 1
        self.seconds.setdefault((name, result), Histogram(BOUNDS)).observe(seconds)

    def families(self) -> Iterator[Family]:
        """Under upstream's names (authorization/webhook and authorization/cel, metrics)."""
        of, by = "apiserver_authorization_", ("name", "result")
        yield Family(f"{of}webhook_evaluations_total", "counter",
                     "[ALPHA] Round-trips to authorization webhooks.", _counted(self.asked, by))  # fmt: skip
        yield Family(f"{of}webhook_duration_seconds", "histogram", "[ALPHA] Request latency in seconds.", [
            sample for key, found in list(self.seconds.items())
            for sample in spread(found, dict(zip(by, key, strict=True)))
        ])  # fmt: skip
        yield Family(f"{of}webhook_evaluations_fail_open_total", "counter",
                     "[ALPHA] NoOpinion results due to webhook timeout or error.", _counted(self.open, by))  # fmt: skip
        for name, said, found in (
            ("exclusions_total", "[ALPHA] Total number of exclusions when an authorization webhook is skipped because "
             "match conditions exclude it.", self.excluded),
            ("evaluation_errors_total", "[ALPHA] Total number of errors when an authorization webhook encounters a "
             "match condition error split by authorizer type and name.", self.errors),
        ):  # fmt: skip
            samples = [Sample(number, {"type": "Webhook", "name": key}) for key, number in list(found.items())]
            yield Family(f"{of}match_condition_{name}", "counter", said, samples)


def _counted(found: Counter[tuple[str, str]], labels: Sequence[str]) -> list[Sample]:
    return [Sample(number, dict(zip(labels, key, strict=True))) for key, number in list(found.items())]


class Webhook(Asked):
    def __init__(self, settings: Settings, clock: Clock, figures: Figures) -> None:
        self._settings, self._clock, self._figures = settings, clock, figures
        self._kept: BoundedCache[bytes, tuple[_Status, float]] = BoundedCache(MAX_ANSWERS, MAX_REMEMBERED, _size)

    async def ask(self, user: User, action: Action) -> Decision:
        """What it says, or what follows where it says nothing."""
        given = self._settings
        spec = spec_of(user, action)
        try:
            if not await self._is_for(spec):
                return Decision(False, "")
            status = await self._status(spec, action)
        except _Failed as failed:
            log.error("authorization webhook %s: %s", given.name, failed)
            return Decision(False, "", denied=given.denies, error=str(failed))
        if status.allowed and status.denied:
            why = "webhook subject access review returned both allow and deny response"
            return Decision(False, status.reason, denied=True, error=why)
        return Decision(status.allowed, status.reason, denied=status.denied)

    async def _is_for(self, spec: Object) -> bool:
        """Raises _Failed. One condition that is false decides, whatever others could not be computed."""
        if not self._settings.conditions:
            return True
        errors, request = [], described(spec)
        for condition in self._settings.conditions:
            holds, error = await condition.holds(request)
            if error:
                errors.append(error)
            elif not holds:
                self._figures.excluded[self._settings.name] += 1
                return False
        if errors:
            self._figures.errors[self._settings.name] += 1
            distinct = list(dict.fromkeys(errors))
            raise _Failed(distinct[0] if len(distinct) == 1 else f"[{', '.join(distinct)}]")
        return True

    async def _status(self, spec: Object, action: Action) -> _Status:
        """Raises _Failed."""
        if self._settings.version == "v1beta1" and "groups" in spec:
            spec = {("group" if name == "groups" else name): value for name, value in spec.items()}
        body = msgspec.json.encode({
            "kind": "SubjectAccessReview", "apiVersion": f"authorization.k8s.io/{self._settings.version}",
            "metadata": {}, "spec": spec, "status": {"allowed": False},
        })  # fmt: skip
        key = sha256(body).digest()
        kept = self._kept.get(key)
        if kept is not None and kept[1] > self._clock.monotonic():
            return kept[0]
        status = await self._asked(body)
        seconds = self._settings.authorized if status.allowed else self._settings.unauthorized
        if seconds > 0 and sum(map(len, action[:7])) < MOST_ASKED:
            self._kept.put(key, (status, self._clock.monotonic() + seconds))
        return status

    async def _asked(self, body: bytes) -> _Status:
        """Raises _Failed."""
        began, result = self._clock.monotonic(), "canceled"
        try:
            async with self._clock.timeout(self._settings.timeout):
                found = await self._tried(body)
            result = "success"
            return found
        except TimeoutError:
            result = "timeout"
            raise _Failed(f'Post "{self._settings.remote.url}": context deadline exceeded') from None
        except (Unreachable, msgspec.DecodeError, msgspec.ValidationError) as error:
            result = "timeout" if "deadline exceeded" in str(error) else "error"
            raise _Failed(str(error)) from None
        finally:
            self._figures.note(self._settings.name, result, self._clock.monotonic() - began)
            if result != "success" and not self._settings.denies:
                self._figures.open[self._settings.name, result] += 1

    async def _tried(self, body: bytes) -> _Status:
        """Raises Unreachable, msgspec.DecodeError."""
        given = self._settings
        for attempt in range(1, TRIES + 1):
            try:
                return _decode(await given.remote.post(body, self._clock, given.timeout)).status
            except Unreachable as error:
                if attempt == TRIES or not error.passing:
                    raise
                await self._clock.sleep(doubling(attempt, BACKOFF, given.timeout))
        raise AssertionError("unreachable")


class _Failed(Exception):
    """There is no answer."""


def _size(key: bytes, found: tuple[_Status, float]) -> int:
    return 128 + 4 * (len(found[0].reason) + len(found[0].evaluationError))
