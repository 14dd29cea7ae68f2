"""Which Events are the same, which are alike, and which are too many. Pure: the time is a parameter.

The same Event told again is counted. Many that differ in their message alone become one. One object in trouble has
its Events rationed (client-go, tools/record/events_cache.go).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from longboat.client.interface import Key
from longboat.machinery.objects import Object

V = TypeVar("V")

REMEMBERED = 1024  # events, groups of events and objects kept in mind, of each
ALIKE = 10  # messages of one group from which on it is told as one
GROUP_ENDS = 600.0  # seconds without a message after which a group starts anew
BURST, PER_SECOND = 25.0, 1 / 300  # of one component about one object
COMBINED = "(combined from similar events): "


@dataclass(slots=True, eq=False)
class Told:
    """One Event: what it says, how often it was told, and up to which count it has been written."""

    key: Key
    about: Object
    type: str
    reason: str
    message: str
    action: str
    first: str
    last: str
    notes: Mapping[str, str] = field(default_factory=dict)  # annotations
    count: int = 0
    written: int = 0
    busy: bool = False


class _Recent(OrderedDict[tuple[str, ...], V], Generic[V]):
    """The newest so many."""

    def put(self, key: tuple[str, ...], value: V) -> V:
        self[key] = value
        self.move_to_end(key)
        if len(self) > REMEMBERED:
            self.popitem(last=False)
        return value


@dataclass(slots=True)
class _Group:
    """Events that differ in their message alone."""

    last: float
    messages: dict[str, None] = field(default_factory=dict)


class Correlator:
    """Of one component on one host."""

    def __init__(self) -> None:
        self._told: _Recent[Told] = _Recent()
        self._groups: _Recent[_Group] = _Recent()
        self._tokens: _Recent[tuple[float, float]] = _Recent()

    def tell(self, event: Told, now: float) -> Told | None:
        """The Event to write for this one (`now` in seconds, from any fixed point); None where there are too many."""
        known = self._count(self._combined(event, now), event.last)
        return known if self._may(_subject(event.about), now) else None

    def _combined(self, event: Told, now: float) -> tuple[tuple[str, ...], Told]:
        """The event and its identity: its own, or its group's once that has grown."""
        alike = (*_subject(event.about), event.type, event.reason, event.action)
        group = self._groups.get(alike)
        if group is None or now - group.last > GROUP_ENDS:
            group = _Group(now)
        group.last = now
        group.messages[event.message] = None
        self._groups.put(alike, group)
        if len(group.messages) < ALIKE:
            return (*alike, event.about.get("fieldPath", ""), event.message), event
        del group.messages[next(iter(group.messages))]
        event.message = COMBINED + event.message
        return alike, event

    def _count(self, identified: tuple[tuple[str, ...], Told], last: str) -> Told:
        identity, event = identified
        known = self._told.get(identity)
        if known is None:
            known = event
        else:
            known.message = event.message
        known.count += 1
        known.last = last
        return self._told.put(identity, known)

    def _may(self, about: tuple[str, ...], now: float) -> bool:
        """A bucket of tokens per object."""
        left, since = self._tokens.get(about, (BURST, now))
        left = min(left + (now - since) * PER_SECOND, BURST)
        self._tokens.put(about, (left - 1 if left >= 1 else left, now))
        return left >= 1


def _subject(about: Object) -> tuple[str, ...]:
    return tuple(about.get(part, "") for part in ("apiVersion", "kind", "namespace", "name", "uid"))
