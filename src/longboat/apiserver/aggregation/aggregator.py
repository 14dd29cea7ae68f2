"""Aggregation put together: follows the APIServices, and knows who answers a request for a group that is not ours."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping

import msgspec

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.api import kinds
from longboat.apiserver.aggregation import availability
from longboat.apiserver.aggregation.availability import Verdict
from longboat.apiserver.aggregation.backend import Backend, Ground, Lookup, Unreachable
from longboat.apiserver.aggregation.discovered import NotDiscovery
from longboat.apiserver.aggregation.figures import Figures
from longboat.apiserver.aggregation.proxy import pass_on
from longboat.apiserver.aggregation.registration import Registration
from longboat.apiserver.aggregation.watcher import Watched, hear
from longboat.apiserver.dial import Dialer
from longboat.apiserver.pki import Pair
from longboat.apiserver.request import Request, Response
from longboat.apiserver.resources import GroupVersion, Resources
from longboat.apiserver.streams.gate import Gate
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.registry.store import Store
from longboat.registry.write import Write
from longboat.storage.entry import Entry
from longboat.storage.interface import Compacted, Progress, StorageError

log = logging.getLogger(__name__)

RETRY = 1.0  # seconds after a failure
_decode = msgspec.json.Decoder().decode


class Aggregator:
    """`begin`, then `run`. `ground` may be given other means of dialling."""

    def __init__(
        self, stores: Mapping[Kind, Store], resources: Resources, lookup: Lookup, clock: Clock
    ) -> None:  # fmt: skip
        self._store, self._resources, self._clock = stores[kinds.API_SERVICE], resources, clock
        self._tasks = Tasks("aggregation")
        self._services, self._slices = stores[kinds.SERVICE], stores[kinds.ENDPOINT_SLICE]
        self.ground = Ground(Dialer(clock), lookup, self._slices, clock)
        self.registration = Registration(self._store, stores[kinds.CUSTOM_RESOURCE_DEFINITION], clock)
        self.figures = Figures()
        self._gate = Gate(clock)
        self._ranked: dict[str, GroupVersion] = {}  # versions that have a place by an APIService, by its name
        self._watched: dict[str, Watched] = {}
        self._by_version: dict[GroupVersion, Watched] = {}
        self._at_work: dict[str, asyncio.Task[None]] = {}
        self._hearing: Tasks | None = None

    def serve_with(self, dialer: Dialer, client: Pair) -> None:
        """Dial so, and show this certificate to extension servers."""
        self.ground.dialer, self.ground.client = dialer, client
        self.renewed()

    def renewed(self) -> None:
        """Our certificate has been replaced."""
        for watched in self._watched.values():
            watched.backend.renewed()

    async def begin(self) -> None:
        """Raises StatusError, StorageError."""
        await self.registration.begin((each.kind.group, each.kind.version) for each in self._resources)
        await self._look()

    async def run(self) -> None:
        """Never ends."""
        async with Tasks("aggregation") as tasks:
            tasks.spawn("APIServices", self.registration.follow_services())
            tasks.spawn("definitions", self.registration.follow_definitions())
            cache = self._store.cache
            while True:
                watcher = cache.watch(cache.prefix, cache.revision)
                try:
                    await self._look()
                    async for batch in watcher:
                        if not isinstance(batch, Progress):
                            for change in batch:
                                self._note(_name(change.key), change.new)
                            await self._hear()
                except (StorageError, Compacted) as error:
                    log.warning("APIServices are read again: %s", error)
                finally:
                    watcher.close()
                await self._clock.sleep(RETRY)

    def answers(self, request: Request) -> Backend | None:
        """Whose the request is; None where it is ours."""
        info = request.info
        if info.is_resource:
            watched = self._by_version.get((info.group, info.version))
        else:
            watched = self._by_version.get(_version_in(request.path))
            if watched is not None and request.path.startswith("/openapi/") and not watched.foreign.newer:
                return None  # we say it, of what it says in an older form
        return watched.backend if watched is not None else None

    async def handle(self, request: Request, backend: Backend) -> Response:
        """Raises StatusError."""

        async def passed(request: Request) -> Response:
            return await pass_on(request, backend, self._clock)

        return await self._gate.guard(passed)(request)

    async def _look(self) -> None:
        """Read them all."""
        found = {_name(entry.key): entry for entry in self._store.entries()}
        for name in {*found, *self._ranked}:
            self._note(name, found.get(name))
        await self._hear()

    def _note(self, name: str, entry: Entry | None) -> None:
        """Begin with an extension server that is new, and forget one that is gone."""
        obj = _decode(entry.body) if entry is not None else None
        spec = (obj or {}).get("spec") or {}
        watched = self._watched.get(name)
        if obj is None:
            if (key := self._ranked.pop(name, None)) is not None:
                self._resources.rank(key, None)
        else:
            key = self._ranked[name] = spec.get("group") or "", spec["version"]
            self._resources.rank(key, (spec["groupPriorityMinimum"], spec["versionPriority"]))
        if obj is None or spec.get("service") is None:
            if watched is not None:
                self._forget(name, watched)
            return
        if watched is None:
            watched = self._watched[name] = Watched(Backend(obj, self.ground), self._clock)
            self._by_version[watched.backend.key] = watched
            self._at_work[name] = self._tasks.spawn(f"extension server of {name}", self._keep(name, watched))
        elif watched.backend.spec != spec:
            watched.backend.close()
            watched.backend = Backend(obj, self.ground)
            watched.outdate()
            watched.look_again()
        else:
            watched.backend.available = availability.available(obj)
        if not watched.backend.available:
            watched.outdate()
        self._resources.lend(watched.backend.key, watched.foreign)

    def _forget(self, name: str, watched: Watched) -> None:
        del self._watched[name], self._by_version[watched.backend.key]
        self._at_work.pop(name).cancel()
        watched.backend.close()
        self.figures.forget(name)
        self._resources.lend(watched.backend.key, None)

    async def _hear(self) -> None:
        """Services and their endpoints concern nobody while there is no extension server."""
        if self._watched and self._hearing is None:
            self._hearing = Tasks("aggregation")
            for store in (self._services, self._slices):
                self._hearing.spawn(store.kind.plural, hear(store, self._concerned, self._clock))
        elif not self._watched and self._hearing is not None:
            hearing, self._hearing = self._hearing, None
            await hearing.close()

    def _concerned(self, namespace: str, service: str) -> Iterable[Watched]:
        return [
            each
            for each in self._watched.values()
            if each.backend.namespace == namespace and each.backend.service["name"] == service
        ]

    async def _keep(self, name: str, watched: Watched) -> None:
        """Never ends."""
        failures = 0
        while True:
            try:
                verdict = await watched.judge()
                await self._tell(name, verdict)
                if verdict == availability.PASSED:
                    await watched.discover()
                else:
                    watched.outdate()
                failures = failures + 1 if verdict.reason == "FailedDiscoveryCheck" else 0
            except (Unreachable, NotDiscovery, StatusError, StorageError) as error:
                log.info("the extension server of %s: %s", name, error)
                failures += 1
            self._resources.lend(watched.backend.key, watched.foreign)
            await watched.wait(failures)

    async def _tell(self, name: str, verdict: Verdict) -> None:
        found = self._store.find("", name)
        if found is None:
            return
        before = _decode(found.body)
        self.figures.tell(name, verdict.reason, was=availability.available(before), now=verdict.status == "True")
        if availability.says(before, verdict):
            return

        def told(old: Object) -> Object:
            if (old.get("spec") or {}).get("service") is None:
                return old
            return {**old, "status": availability.settled(old, verdict, self._clock.now())}

        try:
            await self._store.update("", name, told, Write(subresource="status"), retry=True)
        except StatusError as error:
            if error.code != 404:
                raise

    async def close(self) -> None:
        """No extension server is looked at any more."""
        for watched in self._watched.values():
            watched.backend.close()
        await self._tasks.close()
        if self._hearing is not None:
            await self._hearing.close()


def _name(key: str) -> str:
    return key.rpartition("/")[2]


def _version_in(path: str) -> GroupVersion:
    """What a path that names no resource is about: its discovery, or its OpenAPI."""
    parts = path.removeprefix("/openapi/v3").split("/", 4)
    if len(parts) > 3 and parts[1] == "apis":
        return parts[2], parts[3]
    return ("", parts[2]) if len(parts) > 2 and parts[1] == "api" else ("", "")
