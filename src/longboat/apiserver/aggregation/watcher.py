"""One task for each extension server: looks whether it answers, writes that down, and asks what it serves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from longboat.aio.backoff import doubling
from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.apiserver.aggregation import availability, discovered, documents, identity
from longboat.apiserver.aggregation.availability import Verdict
from longboat.apiserver.aggregation.backend import Backend, Unreachable
from longboat.apiserver.aggregation.documents import Documents
from longboat.apiserver.resources import Foreign
from longboat.machinery.objects import Object
from longboat.registry.store import Store
from longboat.storage.interface import Compacted, Progress, StorageError

log = logging.getLogger(__name__)

RESYNC = 30.0  # seconds between two looks at one that is well
FIRST_WAIT, LONGEST_WAIT = 0.1, 30.0  # and at one that is not
REFRESH = 60.0  # seconds that what it says it serves is taken for fresh
ATTEMPTS = 5  # addresses that are asked at once
RETRY = 1.0


class Watched:
    """What is known of one extension server. `backend` is replaced when its APIService changes."""

    def __init__(self, backend: Backend, clock: Clock) -> None:
        self.backend = backend
        self.foreign = Foreign()
        self.fetched = -REFRESH
        self.etag = ""
        self.documents = Documents()
        self._clock = clock
        self._changed = asyncio.Event()

    def look_again(self) -> None:
        self._changed.set()

    async def judge(self) -> Verdict:
        """Whether it can be used now."""
        self._changed.clear()
        backend = self.backend
        if (verdict := backend.verdict()) is not None:
            return verdict
        try:
            addresses = backend.addresses()[:ATTEMPTS]
        except Unreachable as error:
            return availability.failed(str(error))
        async with Tasks(f"check {backend.name}") as tasks:
            asked = [tasks.spawn("of an address", _checked(backend, at)) for at in addresses]
            why = ""
            for each in asyncio.as_completed(asked):
                why = await each
                if not why:
                    return availability.PASSED
        return availability.failed(why)

    async def discover(self) -> None:
        """Ask what it serves, unless it has said so lately. Raises Unreachable, NotDiscovery."""
        now = self._clock.monotonic()
        if not self.foreign.stale and now - self.fetched < REFRESH:
            return
        backend = self.backend
        key = backend.key
        try:
            found = await self._aggregated(key)
            if found is None:
                accept = {"Accept": "application/json"}
                answer = await backend.get(backend.path, identity.DISCOVERING, accept, discovered.MOST)
                if answer.status != 200:
                    raise Unreachable(f"failed to download discovery for {backend.path}: {answer.status}")
                found = discovered.classic(answer.body, key)
        except (Unreachable, discovered.NotDiscovery):
            self.outdate()
            raise
        self.documents = await documents.fetched(backend, self.documents)
        self.foreign, self.fetched = self._foreign(found, stale=False), now

    async def _aggregated(self, key: tuple[str, str]) -> list[Object] | None:
        headers = {"Accept": discovered.ACCEPT, **({"If-None-Match": self.etag} if self.etag else {})}
        answer = await self.backend.get("/apis", identity.DISCOVERING, headers, discovered.MOST)
        if answer.status == 304 and self.foreign.resources is not None:
            return list(self.foreign.resources)
        if answer.status != 200:
            return None
        found = discovered.aggregated(answer.body, key)
        self.etag = answer.headers.get("etag", "")[:256] if found is not None else ""
        return found

    def outdate(self) -> None:
        self.foreign = self._foreign(self.foreign.resources, stale=True)

    def _foreign(self, resources: Sequence[Object] | None, *, stale: bool) -> Foreign:
        said = self.documents
        return Foreign(resources, stale, said.older, said.digest, said.newer)

    async def wait(self, failures: int) -> None:
        """Until it is to be looked at again."""
        seconds = doubling(failures, FIRST_WAIT, LONGEST_WAIT) if failures else RESYNC
        try:
            async with self._clock.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return


async def _checked(backend: Backend, at: tuple[str, int]) -> str:
    """What is wrong; "" for nothing."""
    try:
        await backend.check(at)
    except Unreachable as error:
        return str(error)
    return ""


async def hear(store: Store, concerns: Callable[[str, str], Iterable[Watched]], clock: Clock) -> None:
    """Have those looked at again that a change of `store` concerns, by its namespace and Service. Never ends."""
    cache = store.cache
    while True:
        watcher = cache.watch(cache.prefix, cache.revision)
        try:
            async for batch in watcher:
                if isinstance(batch, Progress):
                    continue
                for change in batch:
                    namespace, _, name = change.key.removeprefix(cache.prefix).partition("/")
                    entry = change.new or change.old
                    labelled = entry.labels.get("kubernetes.io/service-name", "") if entry is not None else ""
                    for watched in concerns(namespace, labelled or name):
                        watched.look_again()
        except (StorageError, Compacted) as error:
            log.warning("Services of extension servers are watched again: %s", error)
        finally:
            watcher.close()
        await clock.sleep(RETRY)
