"""Informers: a component's own copy of the objects it looks at, kept true by a watch.

Handlers are told of each change in order; what was missed while the connection was down is told as if it had just
happened. One informer serves all who look at the same objects through the same view.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import msgspec

from longboat.aio.backoff import Backoff
from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.api.view import View, decode
from longboat.client.interface import Key, WatchEvent
from longboat.client.rest import PAGE, RestClient
from longboat.machinery.errors import StatusError

V = TypeVar("V", bound=View)

log = logging.getLogger(__name__)

BATCH = 100  # objects handled before other tasks get a turn
STEADY = 5.0  # seconds after which a watch has shown that it works, even if nothing happened
Handler = Callable[[Any, Any], None]
"""(old, new); None where there was or is nothing. Must be quick; one that raises is logged and counted."""


class _Name(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    resourceVersion: str = ""


class _Bare(msgspec.Struct):
    """A bookmark, or an object whose shape is not the view's."""

    metadata: _Name


_bare = msgspec.json.Decoder(_Bare)


class Informer(Generic[V]):
    def __init__(
        self,
        view: type[V],
        client: RestClient,
        clock: Clock,
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
    ) -> None:
        self.view = view
        self.odd = 0  # objects that could not be read, and were passed over
        self.failures = 0  # handlers that raised
        self._client = client
        self._clock = clock
        self._namespace, self._labels, self._fields = namespace, labels, fields
        self._objects: dict[Key, V] = {}
        self._handlers: list[Handler] = []
        self._indexes: dict[str, Callable[[V], Iterable[Any]]] = {}
        self._indexed: dict[str, dict[Any, dict[Key, V]]] = {}
        self._version = ""
        self._seen = 0  # events of watches
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
                self._synced.set()
            await self._watch()
        except StatusError as error:
            log.log(logging.DEBUG if error.code == 410 else logging.WARNING, "%s: %s", self._name, error)
            if error.code in (403, 404, 410):
                self._version = ""
            return error
        except (ConnectionError, TimeoutError, msgspec.DecodeError) as error:
            log.info("%s: %s", self._name, error)
            return error
        except Exception as error:
            log.exception("%s: starting over", self._name)
            self._version = ""
            return error
        return None

    @property
    def _name(self) -> str:
        return f"informer of {self.view.KIND.plural}"

    async def _list(self) -> None:
        """Bring the copy in line with a fresh listing, telling the handlers the differences."""
        fresh: dict[Key, V] = {}
        odd: set[Key] = set()
        token = version = ""
        while True:
            page = await self._client.list_page(
                self.view.KIND,
                namespace=self._namespace,
                labels=self._labels,
                fields=self._fields,
                limit=PAGE,
                token=token,
            )
            for number, raw in enumerate(page.items):
                if number % BATCH == BATCH - 1:
                    await asyncio.sleep(0)
                if (obj := self._read(raw)) is not None:
                    fresh[_key(obj)] = obj
                else:
                    odd.add(_key(_bare.decode(raw)))
            version, token = page.resource_version, page.continue_token
            if not token:
                break
        for key in [key for key in self._objects if key not in fresh and key not in odd]:
            self._set(key, None)
        for number, (key, obj) in enumerate(fresh.items()):
            if number % BATCH == BATCH - 1:
                await asyncio.sleep(0)
            self._set(key, obj)
        self._version = version

    async def _watch(self) -> None:
        events = self._client.watch(
            self.view.KIND, self._version, namespace=self._namespace, labels=self._labels, fields=self._fields
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
        if event.type == "BOOKMARK":
            self._version = _bare.decode(event.object).metadata.resourceVersion
            return
        obj = self._read(event.object)
        if obj is not None:
            self._set(_key(obj), None if event.type == "DELETED" else obj, obj)
            self._version = obj.metadata.resourceVersion
            return
        odd = _bare.decode(event.object)
        if event.type == "DELETED":
            self._set(_key(odd), None)
        self._version = odd.metadata.resourceVersion

    def _read(self, raw: msgspec.Raw) -> V | None:
        """None, counted and logged, for an object that is not of the view's shape: one must not hide the others."""
        try:
            return decode(self.view, raw)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            self.odd += 1
            log.error("%s: an object was passed over: %s", self._name, error)
            return None

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


def _key(obj: View | _Bare) -> Key:
    return Key(obj.metadata.namespace, obj.metadata.name)


class Informers:
    """The informers of one process: each is made once and runs until `close`."""

    def __init__(self, client: RestClient, clock: Clock, owner: str = "informers") -> None:
        self._client = client
        self._clock = clock
        self._made: dict[tuple[type[View], str, str, str], Informer[Any]] = {}
        self._singles: dict[int, asyncio.Task[None]] = {}
        self._tasks = Tasks(owner)
        self._started = False

    def of(self, view: type[V], *, namespace: str = "", labels: str = "", fields: str = "") -> Informer[V]:
        """The informer of a view; it runs once the informers have been started."""
        key = (view, namespace, labels, fields)
        informer = self._made.get(key)
        if informer is None:
            informer = Informer(view, self._client, self._clock, namespace=namespace, labels=labels, fields=fields)
            self._made[key] = informer
            if self._started:
                self._run(informer)
        return informer

    def single(self, view: type[V], key: Key) -> Informer[V]:
        """An informer of one object, at work at once and until it is dropped."""
        informer = Informer(
            view, self._client, self._clock, namespace=key.namespace, fields=f"metadata.name={key.name}"
        )  # fmt: skip
        self._singles[id(informer)] = self._run(informer)
        return informer

    def drop(self, informer: Informer[Any]) -> None:
        """End an informer of one object; it keeps what it knows. Nothing happens to one that has ended."""
        if task := self._singles.pop(id(informer), None):
            task.cancel()

    def start(self) -> None:
        if not self._started:
            self._started = True
            for informer in self._made.values():
                self._run(informer)

    async def synced(self) -> None:
        for informer in list(self._made.values()):
            await informer.synced()

    async def close(self) -> None:
        await self._tasks.close()

    def _run(self, informer: Informer[Any]) -> asyncio.Task[None]:
        return self._tasks.spawn(informer.view.KIND.plural, informer.run())
