"""Watches the metadata of every kind that can be deleted, and feeds the graph."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec

from longboat.aio.backoff import Backoff
from longboat.aio.clock import Clock
from longboat.api.view import Meta
from longboat.client.rest import RestClient
from longboat.controllers.resources import METADATA_LIST, resources
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind

log = logging.getLogger(__name__)

NOT_OWNED = frozenset(("events", "events.events.k8s.io"))  # too many, and nobody's
BATCH = 100  # objects taken in before other tasks get a turn


class _Partial(msgspec.Struct):
    metadata: Meta


_decode = msgspec.json.Decoder(_Partial).decode

Observe = Callable[[Kind, Meta], None]
Remove = Callable[[str], None]


async def deletable(client: RestClient) -> tuple[list[Kind], bool]:
    """Every kind that the server lists, watches and deletes; whether these are all there are. Raises StatusError."""
    found, problems = await resources(client)
    kinds = [
        each.kind for each in found if {"list", "watch", "delete"} <= each.verbs and each.kind.resource not in NOT_OWNED
    ]
    return kinds, not problems


class Monitor:
    """One kind's watch. It keeps uids only: what an object is like is the graph's to know."""

    def __init__(self, kind: Kind, client: RestClient, clock: Clock, observe: Observe, remove: Remove) -> None:
        self._kind = kind
        self._client = client
        self._clock = clock
        self._observe = observe
        self._remove = remove
        self._known: set[str] = set()
        self._seen = 0  # events of watches
        self.synced = asyncio.Event()

    def forget(self) -> None:
        """The kind is gone, and all its objects with it."""
        for uid in self._known:
            self._remove(uid)

    async def run(self) -> None:
        backoff = Backoff(first=0.2, longest=30.0)
        version = ""
        while True:
            seen = self._seen
            try:
                if not version:
                    version = await self._list()
                    self.synced.set()
                async for event in self._client.watch(self._kind, version):
                    if event.type == "ERROR":
                        raise StatusError.parse(msgspec.json.decode(event.object))
                    meta = _decode(event.object).metadata
                    version = meta.resourceVersion
                    if event.type == "DELETED":
                        self._known.discard(meta.uid)
                        self._remove(meta.uid)
                    elif event.type != "BOOKMARK":
                        self._known.add(meta.uid)
                        self._observe(self._kind, meta)
                    self._seen += 1
                    if self._seen % BATCH == 0:
                        await asyncio.sleep(0)
                problem: Exception | None = None
            except (StatusError, ConnectionError, msgspec.DecodeError) as error:
                problem = error
                log.info("garbage collector, watching %s: %s", self._kind.resource, error)
                if isinstance(error, StatusError) and error.code in (403, 404, 410):
                    version = ""
            if self._seen != seen:
                backoff.reset()
                if problem is None:
                    continue
            await self._clock.sleep(backoff.next())

    async def _list(self) -> str:
        seen: set[str] = set()
        token = ""
        while True:
            page = await self._client.list_page(self._kind, token=token, accept=METADATA_LIST)
            for number, raw in enumerate(page.items):
                if number % BATCH == BATCH - 1:
                    await asyncio.sleep(0)
                meta = _decode(raw).metadata
                seen.add(meta.uid)
                self._observe(self._kind, meta)
            token = page.continue_token
            if not token:
                break
        for uid in self._known - seen:
            self._remove(uid)
        self._known = seen
        return page.resource_version
