"""What is served, and by what: a live table. Resources come and go while the server runs.

`Resources.version` moves with every change. Whoever makes something of the table (discovery, OpenAPI) makes it anew
when the version has moved, and not before somebody asks: `Derived`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from longboat.apiserver.endpoint import Endpoint
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.subresource import Subresource
from longboat.registry.strategy import Strategy

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Resource:
    """One version of one kind, as it is served.

    Without an `endpoint` nothing of it is stored: each request is answered on the spot, by whoever has told the
    dispatcher so (reviews, metrics, Bindings).
    """

    strategy: Strategy
    endpoint: Endpoint | None = None
    parts: Mapping[str, Subresource] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", self.strategy.parts())

    @property
    def kind(self) -> Kind:
        return self.strategy.kind


@dataclass(frozen=True, slots=True)
class Foreign:
    """A version of a group that an extension server serves. `resources`: as it says (APIResourceDiscovery), None where
    it has never said. `stale`: it does not say now. `older`: its part of the Swagger 2.0 document, packed, and the
    digest of that; `newer`: where its OpenAPI 3.0 document is, "" where it has none, None where that is not known."""

    resources: Sequence[Object] | None = None
    stale: bool = True
    older: bytes = b""
    digest: str = ""
    newer: str | None = None


GroupVersion = tuple[str, str]
Ranks = Mapping[GroupVersion, tuple[int, int]]
"""Priorities of a group and of a version in it (APIService.spec)."""


class Resources:
    """In the order in which they were installed. What an extension server serves hides what is served here."""

    def __init__(self) -> None:
        self.version = 0
        self._foreign: dict[GroupVersion, Foreign] = {}
        self._ranks: dict[GroupVersion, tuple[int, int]] = {}
        self.foreign: Mapping[GroupVersion, Foreign] = self._foreign
        self.ranks: Ranks = self._ranks
        self._by_kind: dict[Kind, Resource] = {}
        self._by_path: dict[tuple[str, str, str], Resource] = {}

    def __iter__(self) -> Iterator[Resource]:
        if not self.foreign:
            return iter(self._by_kind.values())
        theirs = self.foreign
        return iter([each for each in self._by_kind.values() if (each.kind.group, each.kind.version) not in theirs])

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        if self.foreign and (group, version) in self.foreign:
            return None
        return self._by_path.get((group, version, plural))

    def lend(self, key: GroupVersion, foreign: Foreign | None) -> None:
        """Say what an extension server serves of a version; None: it is served here, or nowhere."""
        if self.foreign.get(key) == foreign:
            return
        if foreign is None:
            del self._foreign[key]
        else:
            self._foreign[key] = foreign
        self.version += 1

    def rank(self, key: GroupVersion, priorities: tuple[int, int] | None) -> None:
        """Say where a version stands; None: where it stands by itself."""
        if self.ranks.get(key) == priorities:
            return
        if priorities is None:
            del self._ranks[key]
        else:
            self._ranks[key] = priorities
        self.version += 1

    def of(self, kind: Kind) -> Resource | None:
        return self._by_kind.get(kind)

    def named(self, group: str, version: str, name: str) -> Kind | None:
        """The kind of this name, if it is served."""
        found = self._by_kind.get(Kind(group, version, name, ""))
        return None if found is None else found.kind

    def install(self, resource: Resource) -> None:
        """Serve it from now on, in place of what has been of its kind. Raises ValueError if its path is another's."""
        kind = resource.kind
        path = kind.group, kind.version, kind.plural
        if (other := self._by_path.get(path)) is not None and other.kind != kind:
            raise ValueError(f"{kind.path}/{kind.plural} is {other.kind.name}'s")
        if (before := self._by_kind.get(kind)) is not None:
            del self._by_path[kind.group, kind.version, before.kind.plural]
        self._by_kind[kind] = self._by_path[path] = resource
        self.version += 1

    def withdraw(self, kind: Kind) -> None:
        """Serve it no longer. Raises KeyError if it is not served."""
        found = self._by_kind.pop(kind)
        del self._by_path[kind.group, kind.version, found.kind.plural]
        self.version += 1


class Derived(Generic[T]):
    """What `make` makes of the table as it is."""

    def __init__(self, resources: Resources, make: Callable[[Resources], T]) -> None:
        self._resources, self._make = resources, make
        self._version = -1
        self._made: T

    def __call__(self) -> T:
        if self._version != self._resources.version:
            self._made = self._make(self._resources)
            self._version = self._resources.version
        return self._made
