"""Watches whose events are collected as they come, so that it can be said what has not come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from conformance.verbs import Verbs
from longboat.machinery.objects import Object

Event = tuple[str, Object]


@asynccontextmanager
async def watched(of: Verbs, *, labels: str = "", fields: str = "", since: str = "") -> AsyncIterator[list[Event]]:
    """Events but for bookmarks; the watch goes on to the end, or that is an error."""
    events: list[Event] = []

    async def follow() -> None:
        client, where = of.cluster.client, of.namespace
        async for event in client.watch(of.kind, since, namespace=where, labels=labels, fields=fields, seconds=600):
            if event.type != "BOOKMARK":
                events.append((event.type, msgspec.json.decode(event.object)))

    task = asyncio.ensure_future(follow())
    try:
        await of.cluster.settle()
        yield events
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def new(events: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """What has come since this was last asked."""
    found = events[:]
    events.clear()
    return found


def told(events: list[tuple[str, Any]]) -> list[tuple[str, str]]:
    """The same, by name."""
    return [(kind, obj["metadata"]["name"]) for kind, obj in new(events)]
