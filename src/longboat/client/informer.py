"""Informers: a component's own copy of the objects it looks at, kept true by a watch.

Handlers are told of each change in order; what was missed while the connection was down is told as if it had just
happened. One informer serves all who look at the same objects through the same view, and one reflector all informers,
and whoever else listens, of the same objects.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.api.view import View
from longboat.client.interface import Key
from longboat.client.reflector import BATCH, Item, Listener, Needs, Reflector, Tally
from longboat.client.rest import RestClient
from longboat.machinery.kinds import Kind

V = TypeVar("V", bound=View)

log = logging.getLogger(__name__)

Handler = Callable[[Any, Any], None]
"""(old, new); None where there was or is nothing. Must be quick; one that raises is logged and counted."""


class Informer(Generic[V]):
    """A reflector's listener."""

    needs = Needs.OBJECTS

    def __init__(self, view: type[V]) -> None:
        self.view = view
        self.odd = 0  # objects that could not be read, and were passed over
        self.failures = 0  # handlers that raised
        self._objects: dict[Key, V] = {}
        self._handlers: list[Handler] = []
        self._indexes: dict[str, Callable[[V], Iterable[Any]]] = {}
        self._indexed: dict[str, dict[Any, dict[Key, V]]] = {}
        self._listing: dict[Key, V | None] = {}  # None: what is there cannot be read
        self._synced = asyncio.Event()

    def on_change(self, handler: Handler) -> None:
        """Be told of every change. One that comes late is told of what is there already."""
        self._handlers.append(handler)
        for obj in list(self._objects.values()):
            self._tell(handler, None, obj)

    def index(self, name: str, keys: Callable[[V], Iterable[Any]]) -> None:
        """Make objects findable by other keys than their name."""
        if name in self._indexes:
            return
        self._indexes[name] = keys
        self._indexed[name] = {}
        for key, obj in self._objects.items():
            self._file(name, key, None, obj)

    def get(self, key: Key) -> V | None:
        return self._objects.get(key)

    def values(self) -> list[V]:
        return list(self._objects.values())

    def by_index(self, name: str, key: Any) -> list[V]:
        return list(self._indexed[name].get(key, {}).values())

    def __len__(self) -> int:
        return len(self._objects)

    @property
    def has_synced(self) -> bool:
        return self._synced.is_set()

    async def synced(self) -> None:
        """Return once everything that was there at the start has been told to the handlers."""
        await self._synced.wait()

    def relist(self) -> None:
        self._listing = {}

    def item(self, item: Item) -> None:
        known = self._objects.get(item.key) if self._objects else None
        same = known is not None and known.metadata.resourceVersion == item.version
        obj = known if same else self._read(item)
        self._listing[item.key] = obj

    async def listed(self) -> None:
        """Bring the copy in line with the listing, telling the handlers the differences."""
        fresh, self._listing = self._listing, {}
        for key in [key for key in self._objects if key not in fresh]:
            self._set(key, None)
        for number, (key, obj) in enumerate(fresh.items()):
            if number % BATCH == BATCH - 1:
                await asyncio.sleep(0)
            if obj is not None:
                self._set(key, obj)
        self._synced.set()

    def event(self, type: str, item: Item) -> None:
        obj = self._read(item)
        if obj is not None:
            self._set(item.key, None if type == "DELETED" else obj, obj)
        elif type == "DELETED":
            self._set(item.key, None)

    def _read(self, item: Item) -> V | None:
        """None, counted and logged, for an object that is not of the view's shape: one must not hide the others."""
        try:
            return item.view(self.view)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            self.odd += 1
            log.error("%s: an object was passed over: %s", self._name, error)
            return None

    @property
    def _name(self) -> str:
        return f"informer of {self.view.KIND.plural}"

    def _set(self, key: Key, obj: V | None, last: V | None = None) -> None:
        """Take in an object (None: it is gone; `last` is how it was in the end), and tell the handlers."""
        old = self._objects.get(key)
        if obj is None:
            if old is None:
                return
            del self._objects[key]
        elif old is not None and old.metadata.resourceVersion == obj.metadata.resourceVersion:
            return
        else:
            self._objects[key] = obj
        for name in self._indexes:
            self._file(name, key, old, obj)
        if obj is None:
            old = last or old
        for handler in self._handlers:
            self._tell(handler, old, obj)

    def _tell(self, handler: Handler, old: V | None, new: V | None) -> None:
        try:
            handler(old, new)
        except Exception:
            self.failures += 1
            log.exception("%s: a handler failed", self._name)

    def _file(self, name: str, key: Key, old: V | None, new: V | None) -> None:
        keys, filed = self._indexes[name], self._indexed[name]
        if old is not None:
            for value in keys(old):
                if (entry := filed.get(value)) is not None:
                    entry.pop(key, None)
                    if not entry:
                        del filed[value]
        if new is not None:
            for value in keys(new):
                filed.setdefault(value, {})[key] = new


class Scope(NamedTuple):
    """Which objects are followed: those of a kind, and of them what a namespace and selectors leave."""

    path: str  # of the API's version
    plural: str
    namespace: str = ""
    labels: str = ""
    fields: str = ""

    @classmethod
    def of(cls, kind: Kind, namespace: str = "", labels: str = "", fields: str = "") -> Scope:
        return cls(kind.path, kind.plural, namespace, labels, fields)


class _Stream:
    """A reflector and its task."""

    __slots__ = ("reflector", "task")

    def __init__(self, reflector: Reflector) -> None:
        self.reflector = reflector
        self.task: asyncio.Task[None] | None = None


class Informers:
    """The informers of one process and identity: each is made once and runs until `close`.

    There is one list and one watch for each scope, whoever and how many look.
    """

    def __init__(self, client: RestClient, clock: Clock, owner: str = "informers") -> None:
        self._client = client
        self._clock = clock
        self._made: dict[tuple[type[View], Scope], Informer[Any]] = {}
        self._streams: dict[Scope, _Stream] = {}
        self._tallies: dict[Kind, Tally] = {}
        self._where: dict[int, tuple[Listener, Scope]] = {}  # those that may leave, by id
        self._tasks = Tasks(owner)
        self._started = False

    def of(self, view: type[V], *, namespace: str = "", labels: str = "", fields: str = "") -> Informer[V]:
        """The informer of a view; it runs once the informers have been started."""
        scope = Scope.of(view.KIND, namespace, labels, fields)
        informer = self._made.get((view, scope))
        if informer is None:
            informer = self._made[view, scope] = Informer(view)
            self._join(view.KIND, scope, informer, at_once=self._started)
        return informer

    def single(self, view: type[V], key: Key) -> Informer[V]:
        """An informer of one object, at work at once and until it is dropped."""
        informer = Informer(view)
        scope = Scope.of(view.KIND, key.namespace, fields=f"metadata.name={key.name}")
        self._where[id(informer)] = informer, scope
        self._join(view.KIND, scope, informer, at_once=True)
        return informer

    def follow(self, kind: Kind, listener: Listener) -> None:
        """Have `listener` told of all objects of a kind, at once and until it is dropped."""
        scope = Scope.of(kind)
        self._where[id(listener)] = listener, scope
        self._join(kind, scope, listener, at_once=True)

    def drop(self, listener: Listener) -> None:
        """End an informer of one object, which keeps what it knows, or one who follows a kind. Nothing happens to one
        that has ended."""
        _, scope = self._where.pop(id(listener), (None, None))
        if scope is None:
            return
        stream = self._streams[scope]
        stream.reflector.remove(listener)
        if not len(stream.reflector):
            del self._streams[scope]
            if stream.task is not None:
                stream.task.cancel()

    def reflectors(self) -> list[Reflector]:
        """What lists and watches for them now."""
        return [stream.reflector for stream in list(self._streams.values())]

    def tallies(self) -> dict[Kind, Tally]:
        """What has been listed and watched for them, by resource."""
        return dict(self._tallies)

    def start(self) -> None:
        if not self._started:
            self._started = True
            for stream in self._streams.values():
                self._run(stream)

    async def synced(self) -> None:
        for informer in list(self._made.values()):
            await informer.synced()

    async def close(self) -> None:
        await self._tasks.close()

    def _join(self, kind: Kind, scope: Scope, listener: Listener, *, at_once: bool) -> None:
        stream = self._streams.get(scope)
        if stream is None:
            _, _, namespace, labels, fields = scope
            reflector = Reflector(
                kind, self._client, self._clock, namespace=namespace, labels=labels, fields=fields,
                tally=self._tallies.setdefault(kind, Tally()),
            )  # fmt: skip
            stream = self._streams[scope] = _Stream(reflector)
        stream.reflector.add(listener)
        if stream.task is not None:
            stream.task.cancel()
            stream.task = None
            at_once = True
        if at_once:
            self._run(stream)

    def _run(self, stream: _Stream) -> None:
        if stream.task is None:
            stream.task = self._tasks.spawn(stream.reflector.kind.plural, stream.reflector.run())
