"""The one loop that lists and then watches: whoever follows the API's objects is told by it.

One reflector serves all who follow the same objects in a process, each through a view of its own (client-go has a
Reflector for each shared informer). An event is read once as bytes; what those who listen decode of it they share
where they can: the metadata, which everybody reads, is one object for all views of an object.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import IntEnum
from typing import Protocol, TypeVar

import msgspec
from msgspec.structs import force_setattr

from longboat.aio.backoff import Backoff
from longboat.aio.clock import Clock
from longboat.aio.histogram import Histogram
from longboat.api.view import Meta, View, decode
from longboat.client.interface import Key, WatchEvent
from longboat.client.rest import METADATA_LIST, PAGE, RestClient
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind

V = TypeVar("V", bound=View)

log = logging.getLogger(__name__)

BATCH = 100  # objects handled before other tasks get a turn
SPREAD = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)  # seconds (component-base, informer metrics)
STEADY = 5.0  # seconds after which a watch has shown that it works, even if nothing happened


class _Name(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    resourceVersion: str = ""


class _Bare(msgspec.Struct):
    """A bookmark, or an object of which only the name matters."""

    metadata: _Name


class _Partial(msgspec.Struct):
    metadata: Meta


_bare = msgspec.json.Decoder(_Bare).decode
_partial = msgspec.json.Decoder(_Partial).decode


class Item:
    """An object as it came, and what has been decoded of it so far. Raises msgspec.DecodeError where that is odd."""

    __slots__ = ("_meta", "_name", "raw")

    def __init__(self, raw: msgspec.Raw) -> None:
        self.raw = raw
        self._meta: Meta | None = None
        self._name: _Name | None = None

    @property
    def meta(self) -> Meta:
        if self._meta is None:
            self._meta = _partial(self.raw).metadata
        return self._meta

    def view(self, view: type[V]) -> V:
        """As this view has it; its metadata is that of the other views."""
        obj = decode(view, self.raw)
        if self._meta is None:
            self._meta = obj.metadata
        else:
            force_setattr(obj, "metadata", self._meta)
        return obj

    @property
    def key(self) -> Key:
        name = self._names()
        return Key(name.namespace, name.name)

    @property
    def version(self) -> str:
        return self._names().resourceVersion

    def _names(self) -> Meta | _Name:
        """The least that has to be decoded to tell which object it is."""
        if self._meta is not None:
            return self._meta
        if self._name is None:
            self._name = _bare(self.raw).metadata
        return self._name


class Needs(IntEnum):
    """Of a listing."""

    NOTHING = 0  # but the revision to watch from
    METADATA = 1
    OBJECTS = 2


class Listener(Protocol):
    """One who follows. What it raises is logged, and harms nobody else."""

    needs: Needs

    def relist(self) -> None:
        """A listing begins: every object there is will be given to `item`, unless it breaks off and begins again."""
        ...

    def item(self, item: Item) -> None: ...

    async def listed(self) -> None:
        """It is whole: what was there before and has not been given is gone."""
        ...

    def event(self, type: str, item: Item) -> None:
        """ADDED, MODIFIED or DELETED."""
        ...


class Tally:
    """What reflectors of one resource have done, those included that are no more."""

    def __init__(self) -> None:
        self.lists = self.watches = 0
        self.failures = 0  # of those who listen
        self.taken = Histogram(SPREAD)  # seconds that those who listen took for an event


class Reflector:
    """Follows the objects of one kind, or those of a namespace or that selectors choose."""

    def __init__(
        self, kind: Kind, client: RestClient, clock: Clock, *, namespace: str = "", labels: str = "", fields: str = "",
        tally: Tally | None = None,
    ) -> None:  # fmt: skip
        self.kind = kind
        self.queued = 0  # objects of a listing that wait for the rest of it
        self._tally = tally or Tally()
        self._client, self._clock = client, clock
        self._namespace, self._labels, self._fields = namespace, labels, fields
        self._listeners: tuple[Listener, ...] = ()  # made anew with each change: those who are told may come and go
        self._version = ""
        self._seen = 0  # events of watches

    def __len__(self) -> int:
        """How many listen."""
        return len(self._listeners)

    @property
    def revision(self) -> int:
        """Up to where they have been told; 0 before they have been told of all there is."""
        return int(self._version) if self._version.isdigit() else 0

    def add(self, listener: Listener) -> None:
        """Have it listen. Where `run` is under way it has to be cancelled and run again: what was listed before cannot
        be given to one who comes late."""
        self._listeners += (listener,)
        self._version = ""

    def remove(self, listener: Listener) -> None:
        self._listeners = tuple(each for each in self._listeners if each is not listener)

    async def run(self) -> None:
        """List, then watch, for ever: again at once where that brought something, else ever more slowly."""
        backoff = Backoff(first=0.1, longest=10.0)
        while True:
            seen, since = self._seen, self._clock.monotonic()
            problem = await self._round()
            worked = self._seen != seen or self._clock.monotonic() - since >= STEADY
            if worked:
                backoff.reset()
            expired = isinstance(problem, StatusError) and problem.code == 410
            if (problem is None and worked) or (expired and not backoff.failures):
                backoff.failures += expired
                continue
            await self._clock.sleep(backoff.next())

    async def _round(self) -> Exception | None:
        """One watch to its end, after a listing where there is nothing to go on from. Returns what ended it."""
        try:
            if not self._version:
                await self._list()
            await self._watch()
        except StatusError as error:
            log.log(logging.DEBUG if error.code == 410 else logging.WARNING, "%s: %s", self, error)
            if error.code in (403, 404, 410):
                self._version = ""
            return error
        except (ConnectionError, TimeoutError, msgspec.DecodeError) as error:
            log.info("%s: %s", self, error)
            return error
        except Exception as error:
            log.exception("%s: starting over", self)
            self._version = ""
            return error
        return None

    def __str__(self) -> str:
        return f"following {self.kind.resource}"

    async def _list(self) -> None:
        needs = max((each.needs for each in self._listeners), default=Needs.NOTHING)
        for listener in self._listeners:
            listener.relist()
        self._tally.lists += 1
        self.queued, token = 0, ""
        while True:
            page = await self._client.list_page(
                self.kind,
                namespace=self._namespace,
                labels=self._labels,
                fields=self._fields,
                limit=PAGE if needs else 1,
                token=token,
                accept="application/json" if needs == Needs.OBJECTS else METADATA_LIST,
            )
            for raw in page.items if needs else ():
                self.queued += 1
                if self.queued % BATCH == 0:
                    await asyncio.sleep(0)
                item = Item(raw)
                for listener in self._listeners:
                    self._tell(listener.item, item)
            token = page.continue_token
            if not (token and needs):
                break
        for listener in self._listeners:
            try:
                await listener.listed()
            except Exception:
                self._tally.failures += 1
                log.exception("%s: one who listens failed", self)
        self._version, self.queued = page.resource_version, 0

    async def _watch(self) -> None:
        self._tally.watches += 1
        events = self._client.watch(
            self.kind, self._version, namespace=self._namespace, labels=self._labels, fields=self._fields
        )
        try:
            async for event in events:
                self._take(event)
                self._seen += 1
                if self._seen % BATCH == 0:
                    await asyncio.sleep(0)
        finally:
            await events.aclose()  # type: ignore[attr-defined]

    def _take(self, event: WatchEvent) -> None:
        if event.type == "ERROR":
            raise StatusError.parse(msgspec.json.decode(event.object))
        item = Item(event.object)
        if event.type != "BOOKMARK":
            began = self._clock.monotonic()
            for listener in self._listeners:
                self._tell(listener.event, event.type, item)
            self._tally.taken.observe(self._clock.monotonic() - began)
        self._version = item.version

    def _tell(self, told: Callable[..., None], *what: object) -> None:
        try:
            told(*what)
        except Exception:
            self._tally.failures += 1
            log.exception("%s: one who listens failed", self)
