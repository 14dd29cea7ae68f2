"""Follows FlowSchemas and PriorityLevelConfigurations, says who catches a request, and has levels lend and borrow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from longboat.aio.clock import Clock
from longboat.api import kinds
from longboat.apiserver.fairness.figures import Figures, Record
from longboat.apiserver.fairness.level import Level
from longboat.apiserver.fairness.matching import Schema
from longboat.apiserver.fairness.shares import Want, divided, nominal
from longboat.apiserver.request import RequestInfo
from longboat.machinery.exposition import Family, Sample
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.user import User
from longboat.registry.kinds.flowcontrol import mandatory
from longboat.registry.store import Store

PERIOD = 10.0  # seconds after which levels lend and borrow anew (flowcontrol, borrowingAdjustmentPeriod)
REMEMBERED, SHORT = 4096, 512  # sorts of requests whose catcher is known, and characters of each

_decode = msgspec.json.decode


class Caught(NamedTuple):
    """What catches a request. `headers`: those that every answer to it bears."""

    level: Level
    record: Record
    flow: str
    headers: dict[str, str]


class Control:
    """`seats`: of the whole server (max-requests-inflight and max-mutating-requests-inflight together).

    A change of an object is in force with the next request. A level that is taken away works on until all that it has
    are through; nothing new comes to it.
    """

    def __init__(self, stores: Mapping[Kind, Store], clock: Clock, seats: int) -> None:
        self._schemas_from, self._levels_from = stores[kinds.FLOW_SCHEMA], stores[kinds.PRIORITY_LEVEL_CONFIGURATION]
        self._clock, self._seats = clock, seats
        self._schema_cache, self._level_cache = self._schemas_from.cache, self._levels_from.cache
        self._read = -1, -1  # versions of these
        self._schemas: list[Schema] = []
        self._remembered: dict[Any, Caught] = {}
        self.lends = False  # a timer is set
        self.figures = Figures()
        self.levels: dict[str, Level] = {}

    def caught(self, user: User, info: RequestInfo) -> Caught:
        """Who has been seen with such a request before is looked up; what a request names is no part of that."""
        if self._schema_cache.version != self._read[0] or self._level_cache.version != self._read[1]:
            self._refresh()
        key = user.name, user.groups, info[1:8] if info.is_resource else info[:2]  # from the verb to the subresource
        found = self._remembered.get(key)
        if found is None:
            found = self._found(user, info)
            if len(self._remembered) == REMEMBERED:
                self._remembered.clear()
            if _size(user, info) <= SHORT:
                self._remembered[key] = found
        if not self.lends and found.level.limit is not None:
            self.lends = True
            self._clock.call_later(PERIOD, self._lend)
        return found

    def _found(self, user: User, info: RequestInfo) -> Caught:
        schema = next((each for each in self._schemas if each.catches(user, info)), self._last)
        level = self.levels[schema.level]
        headers = {"X-Kubernetes-PF-FlowSchema-UID": schema.uid, "X-Kubernetes-PF-PriorityLevel-UID": level.uid}
        return Caught(level, self.figures.of(level.name, schema.name), schema.flow(user, info), headers)

    def _refresh(self) -> None:
        """What must be there is there, whatever is stored: by it everybody is caught."""
        self._read = self._schema_cache.version, self._level_cache.version
        found = mandatory.LEVELS | {name: obj.get("spec") or {} for name, obj in _objects(self._levels_from)}
        uids = {name: obj["metadata"].get("uid") or "" for name, obj in _objects(self._levels_from)}
        levels = dict[str, Level]()
        for name, limits in nominal(found, self._seats).items():
            levels[name] = self.levels.get(name) or Level(name, self._clock)
            levels[name].configure(uids.get(name, ""), found[name], limits)
        self.levels = levels
        schemas = {name: {"metadata": {"name": name}, "spec": spec} for name, spec in mandatory.SCHEMAS.items()}
        schemas |= dict(_objects(self._schemas_from))
        self._schemas = sorted(map(Schema, schemas.values()), key=lambda each: each.rank)
        self._schemas = [each for each in self._schemas if each.level in levels]
        self._last = next(each for each in self._schemas if each.name == mandatory.CATCH_ALL)
        self._remembered.clear()

    def _lend(self) -> None:
        """Give each level the seats that it has been asked for, as far as the others can spare them.

        Until nobody has asked for any for long: then all have what is theirs, and no timer is set.
        """
        limited, now = [each for each in self.levels.values() if each.limit is not None], self._clock.monotonic()
        wants = []
        for level in limited:
            level.demand.close(now)
            least = max(level.limits.lower, min(level.limits.nominal, level.demand.most))
            level.target = max(least, level.demand.smoothed)
            wants.append(Want(level.target, least, max(least, level.limits.upper)))
        for level, seats in zip(limited, divided(self._seats, wants), strict=True):
            level.limit = max(1, round(seats)) if level.limits.nominal else round(seats)
            level.dispatch()
        if all(level.demand.rests for level in limited):
            self.lends = False
        else:
            self._clock.call_later(PERIOD, self._lend)

    def families(self) -> Iterator[Family]:
        yield from self.figures.families()
        levels = [level for level in list(self.levels.values()) if level.limit is not None]
        for name, stability, help_, value in _OF_LEVELS:
            samples = [Sample(value(level), {"priority_level": level.name}) for level in levels]
            yield Family(f"apiserver_flowcontrol_{name}", "gauge", f"[{stability}] {help_}", samples)


_SEATS = "number of execution seats available to each priority level"
_OF_LEVELS: tuple[tuple[str, str, str, Any], ...] = (
    ("nominal_limit_seats", "BETA", "Nominal number of execution seats configured for each priority level",
     lambda level: level.limits.nominal),
    ("lower_limit_seats", "ALPHA", f"Configured lower bound on {_SEATS}",
     lambda level: level.limits.lower),
    ("upper_limit_seats", "ALPHA", f"Configured upper bound on {_SEATS}",
     lambda level: level.limits.upper),
    ("current_limit_seats", "ALPHA", f"current derived {_SEATS}",
     lambda level: level.limit),
    ("demand_seats_high_watermark", "ALPHA", "High watermark, over last adjustment period, of demand_seats",
     lambda level: level.demand.most),
    ("demand_seats_average", "ALPHA", "Time-weighted average, over last adjustment period, of demand_seats",
     lambda level: level.demand.average),
    ("demand_seats_stdev", "ALPHA", "Time-weighted standard deviation, over last adjustment period, of demand_seats",
     lambda level: level.demand.deviation),
    ("demand_seats_smoothed", "ALPHA", "Smoothed seat demands", lambda level: level.demand.smoothed),
    ("target_seats", "ALPHA", "Seat allocation targets", lambda level: level.target),
)  # fmt: skip


def _objects(store: Store) -> list[tuple[str, Object]]:
    found = [_decode(entry.body) for entry in store.entries()]
    return [(obj["metadata"]["name"], obj) for obj in found]


def _size(user: User, info: RequestInfo) -> int:
    """Characters of what is remembered of it."""
    return len(user.name) + sum(map(len, user.groups)) + len(info.path)
