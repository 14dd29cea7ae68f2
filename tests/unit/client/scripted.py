"""A transport that plays a script: what the API would answer, and when it would break off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from longboat.machinery.errors import StatusError

Event = tuple[str, dict[str, Any]]


def pod(name: str, version: int, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "d", "resourceVersion": str(version), **metadata}}


@dataclass
class Scripted:
    """Each list takes the next of `lists` (objects and revision, or an error), each watch the next of `watches`.

    A watch's script is a list of events, at whose end it ends; an exception in it is raised there; None holds the
    watch open. Nothing left to play holds a watch open too.
    """

    lists: list[tuple[list[dict[str, Any]], int] | Exception] = field(default_factory=list)
    watches: list[list[Event | Exception | None]] = field(default_factory=list)
    answers: Callable[[str, str], bytes] | None = None
    asked: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    watched: list[str] = field(default_factory=list)  # resourceVersions

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> bytes:
        await asyncio.sleep(0)
        self.asked.append(f"{method} {path}")
        if body is not None:
            self.bodies.append(msgspec.json.decode(body))
        if self.answers is not None:
            return self.answers(method, path)
        found = self.lists.pop(0)
        if isinstance(found, Exception):
            raise found
        items, revision = found
        return msgspec.json.encode({"items": items, "metadata": {"resourceVersion": str(revision)}})

    async def stream(self, path: str, *, query: Mapping[str, str] | None = None) -> AsyncIterator[bytes]:
        self.watched.append((query or {})["resourceVersion"])
        script = self.watches.pop(0) if self.watches else [None]
        for event in script:
            if event is None:
                await asyncio.Event().wait()
            elif isinstance(event, Exception):
                raise event
            else:
                yield msgspec.json.encode({"type": event[0], "object": event[1]})

    async def close(self) -> None:
        return None


def gone() -> Event:
    return ("ERROR", StatusError(410, "Expired", "too old resource version").status())
