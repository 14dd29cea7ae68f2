"""Events: what a component tells people about an object. The same one told again is counted, not repeated."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.api import kinds
from longboat.api.view import View
from longboat.client.interface import Client, Key
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object, timestamp

log = logging.getLogger(__name__)

REMEMBERED = 4096  # events that can still be counted up
FORGET_AFTER = 600.0  # seconds (client-go, maxAggregation: a similar event later is a new one)
BURST, PER_SECOND = 25, 1 / 300  # of one component about one object (client-go's spam filter)
MAX_WAITING = 1000
LONGEST_MESSAGE = 1024


@dataclass
class _Told:
    """An event that exists, and how often it was told."""

    key: Key
    count: int
    last: float
    written: asyncio.Event


class EventRecorder:
    """Writes core/v1 Events. Telling never waits and never fails; what cannot be written is logged and dropped."""

    def __init__(self, client: Client, clock: Clock, component: str, host: str = "") -> None:
        self._client = client
        self._clock = clock
        self._component = component
        self._host = host
        self._told: OrderedDict[tuple[str, ...], _Told] = OrderedDict()
        self._tokens: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._tasks = Tasks(f"events/{component}")
        self._latest = 0
        self.dropped = 0

    @property
    def in_flight(self) -> int:
        return len(self._tasks)

    def event(self, about: View | Object, type_: str, reason: str, message: str, *, action: str = "") -> None:
        """`about` is a view, or an ObjectReference; type is Normal or Warning."""
        ref = about if isinstance(about, dict) else reference(about)
        if len(message) > LONGEST_MESSAGE:
            message = message[: LONGEST_MESSAGE - 4] + " ..."
        if len(self._tasks) >= MAX_WAITING or not self._may(ref.get("uid") or ref.get("name", "")):
            self.dropped += 1
            return
        same = (ref.get("uid", ""), ref.get("fieldPath", ""), type_, reason, message)
        told, now = self._told.get(same), self._clock.monotonic()
        if told is not None and now - told.last < FORGET_AFTER:
            told.count += 1
            told.last = now
            self._told.move_to_end(same)
            self._tasks.spawn(reason, self._count(told))
            return
        name = f"{ref.get('name', '')}.{self._suffix():x}"
        namespace = ref.get("namespace") or "default"
        told = self._told[same] = _Told(Key(namespace, name), 1, now, asyncio.Event())
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        self._tasks.spawn(reason, self._create(told, self._event(told.key, ref, type_, reason, message, action)))

    async def close(self) -> None:
        await self._tasks.close()

    def _suffix(self) -> int:
        """Nanoseconds, always more than before: events of one second sort by name as they were told (client-go)."""
        self._latest = max(int(self._clock.now().timestamp() * 1e6) * 1000, self._latest + 1)
        return self._latest

    def _event(self, key: Key, ref: Object, type_: str, reason: str, message: str, action: str) -> Object:
        now = timestamp(self._clock.now())
        source = {"component": self._component, "host": self._host} if self._host else {"component": self._component}
        event: dict[str, Any] = {
            "kind": "Event",
            "apiVersion": "v1",
            "metadata": {"name": key.name, "namespace": key.namespace},
            "involvedObject": ref,
            "reason": reason,
            "message": message,
            "source": source,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": type_,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }
        if action:
            event["action"] = action
        return event

    async def _create(self, told: _Told, event: Object) -> None:
        try:
            await self._client.create(kinds.CORE_EVENT, event, namespace=told.key.namespace)
        except (StatusError, ConnectionError) as error:
            # In a namespace that is going no events can be written: nothing is wrong.
            log.debug("an event was not written: %s", error)
            self.dropped += 1
            told.count = 0
        finally:
            told.written.set()

    async def _count(self, told: _Told) -> None:
        await told.written.wait()
        if told.count == 0:
            return
        patch = {"count": told.count, "lastTimestamp": timestamp(self._clock.now())}
        try:
            await self._client.patch(kinds.CORE_EVENT, told.key, patch)
        except (StatusError, ConnectionError) as error:
            log.debug("an event was not counted: %s", error)
            self.dropped += 1

    def _may(self, about: str) -> bool:
        """A bucket of tokens per object, so that one in trouble cannot flood the cluster."""
        now = self._clock.monotonic()
        left, since = self._tokens.pop(about, (float(BURST), now))
        left = min(left + (now - since) * PER_SECOND, float(BURST))
        if len(self._tokens) > REMEMBERED:
            self._tokens.popitem(last=False)
        self._tokens[about] = (left - 1 if left >= 1 else left, now)
        return left >= 1


def reference(view: View) -> Object:
    """The ObjectReference of a view's object."""
    kind, meta = view.KIND, view.metadata
    ref: Object = {"kind": kind.name, "apiVersion": kind.api_version, "name": meta.name, "uid": meta.uid}
    if meta.namespace:
        ref["namespace"] = meta.namespace
    if meta.resourceVersion:
        ref["resourceVersion"] = meta.resourceVersion
    return ref
