"""Watches the metadata of every kind that can be deleted, and feeds the graph."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from longboat.aio.backoff import Backoff
from longboat.aio.clock import Clock
from longboat.api.view import Meta
from longboat.client.rest import RestClient
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind

log = logging.getLogger(__name__)

METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
NOT_OWNED = frozenset(("events",))  # too many, and nobody's


class _Partial(msgspec.Struct):
    metadata: Meta


_decode = msgspec.json.Decoder(_Partial).decode

Observe = Callable[[Kind, Meta], None]
Remove = Callable[[str], None]


async def deletable(client: RestClient) -> list[Kind]:
    """Every kind that the server lists, watches and deletes."""
    versions = ["v1"]
    groups: list[dict[str, Any]] = msgspec.json.decode(await client.get_path("/apis"))["groups"]
    versions += [group["preferredVersion"]["groupVersion"] for group in groups]
    found = []
    for version in versions:
        path = f"/apis/{version}" if "/" in version else f"/api/{version}"
        group, _, name = version.rpartition("/")
        for resource in msgspec.json.decode(await client.get_path(path))["resources"]:
            capable = {"list", "watch", "delete"} <= set(resource["verbs"])
            if capable and "/" not in resource["name"] and resource["name"] not in NOT_OWNED:
                namespaced = resource["namespaced"]
                found.append(Kind(group, name, resource["kind"], resource["name"], namespaced=namespaced))
    return found


class Monitor:
    """One kind's watch. It keeps uids only: what an object is like is the graph's to know."""

    def __init__(self, kind: Kind, client: RestClient, clock: Clock, observe: Observe, remove: Remove) -> None:
        self._kind = kind
        self._client = client
        self._clock = clock
        self._observe = observe
        self._remove = remove
        self._known: set[str] = set()
        self.synced = asyncio.Event()

    async def run(self) -> None:
        backoff = Backoff(first=0.2, longest=30.0)
        version = ""
        while True:
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
                backoff.reset()
            except (StatusError, ConnectionError, msgspec.DecodeError) as error:
                if isinstance(error, StatusError) and error.code == 410:
                    version = ""
                    continue
                log.info("garbage collector, watching %s: %s", self._kind.resource, error)
                if isinstance(error, StatusError) and error.code in (403, 404):
                    version = ""
                await self._clock.sleep(backoff.next())

    async def _list(self) -> str:
        seen: set[str] = set()
        token = ""
        while True:
            page = await self._client.list_page(self._kind, token=token, accept=METADATA_LIST)
            for raw in page.items:
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
