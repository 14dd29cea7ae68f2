"""EventRateLimit: how many events a second are taken of all, a namespace, a user, or a source about an object."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from longboat.aio.clock import Clock
from longboat.api import kinds
from longboat.apiserver.admission.chain import Plugin
from longboat.machinery import configfile
from longboat.machinery.errors import too_many_requests
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.types.shapes import SCALARS, List
from longboat.registry.admission import Attributes, Target

KIND, VERSIONS = "Configuration", ("eventratelimit.admission.k8s.io/v1alpha1",)
_STRING, _INTEGER = SCALARS["string"], SCALARS["int32"]
SHAPE = configfile.struct(
    "io.k8s.eventratelimit.v1alpha1.Configuration",
    kind=_STRING,
    apiVersion=_STRING,
    limits=List(
        configfile.struct(
            "io.k8s.eventratelimit.v1alpha1.Limit", type=_STRING, qps=_INTEGER, burst=_INTEGER, cacheSize=_INTEGER
        )
    ),
)
SERVER = "Server"
REMEMBERED = 4096  # keys of a limit that says nothing of it (upstream, defaultCacheSize)
LONGEST = 1024  # characters of a key that is kept as it is


@dataclass(frozen=True, slots=True)
class Limit:
    """`qps` events a second, and `burst` at once after a pause; so for each of `remembered` keys."""

    type: str
    qps: int
    burst: int
    remembered: int = REMEMBERED


def settings(found: dict[str, Any]) -> tuple[tuple[Limit, ...], Errors]:
    """`found` has the right types already (`SHAPE`)."""
    err, limits, path = Errors(), list[Limit](), Path("limits")
    if not found.get("limits"):
        err.invalid(path, found.get("limits"), "must not be empty")
    for i, said in enumerate(found.get("limits") or ()):
        where, number = path.index(i), {name: said.get(name) or 0 for name in ("burst", "qps", "cacheSize")}
        if (name := said.get("type") or "") not in KEYS:
            err.not_supported(where.at("type"), name, sorted(KEYS))
        for field in ("burst", "qps"):
            if number[field] <= 0:
                err.invalid(where.at(field), number[field], "must be positive")
        if name != SERVER and number["cacheSize"] < 0:
            err.invalid(where.at("cacheSize"), number["cacheSize"], "must not be negative")
        limits.append(Limit(name, number["qps"], number["burst"], number["cacheSize"] or REMEMBERED))
    return tuple(limits), err


class EventRateLimit(Plugin):
    """Every limit counts every event, also one that another limit refuses, as upstream's.

    Upstream's overlooks events of the group events.k8s.io, through which they are written as well.
    """

    def __init__(self, limits: tuple[Limit, ...], clock: Clock) -> None:
        self._limits = [_Counted(limit, clock) for limit in limits]

    def handles(self, target: Target) -> bool:
        return target.kind in (kinds.CORE_EVENT, kinds.EVENT) and target.operation in ("CREATE", "UPDATE")

    async def validate(self, attributes: Attributes) -> None:
        refused = [limit for limit in self._limits if not limit.takes(attributes)]
        if refused:
            limit = refused[-1].limit.type
            why = f"limit reached on type {limit} for key {KEYS[limit](attributes)[:LONGEST]}"
            raise too_many_requests(f"Too many requests: {why}", None)


class _Counted:
    """A bucket of tokens for each key; the key that was longest not heard of is forgotten first."""

    def __init__(self, limit: Limit, clock: Clock) -> None:
        self.limit = limit
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # key: tokens, and when there were so many

    def takes(self, attributes: Attributes) -> bool:
        key, now = _bounded(KEYS[self.limit.type](attributes)), self._clock.monotonic()
        tokens, since = self._buckets.pop(key, (float(self.limit.burst), now))
        tokens = min(float(self.limit.burst), tokens + (now - since) * self.limit.qps)
        taken = tokens >= 1
        self._buckets[key] = (tokens - taken, now)
        if len(self._buckets) > self.limit.remembered:
            self._buckets.popitem(last=False)
        return taken


def _bounded(key: str) -> str:
    return key if len(key) <= LONGEST else hashlib.sha256(key.encode()).hexdigest()


def _source_and_object(attributes: Attributes) -> str:
    event = attributes.obj or {}
    source = event.get("source") or event.get("deprecatedSource") or {}
    about = event.get("involvedObject") or event.get("regarding") or {}
    said = [source.get(field) or "" for field in ("component", "host")]
    return "".join(said + [about.get(field) or "" for field in ("kind", "namespace", "name", "uid", "apiVersion")])


KEYS: dict[str, Callable[[Attributes], str]] = {
    SERVER: lambda attributes: "",
    "Namespace": lambda attributes: attributes.namespace,
    "User": lambda attributes: attributes.user.name if attributes.user else "",
    "SourceAndObject": _source_and_object,
}
