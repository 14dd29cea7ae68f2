"""Events: what a component tells people about an object. The same one told again is counted, not repeated."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from longboat.aio.backoff import Backoff
from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.api import kinds
from longboat.api.view import View
from longboat.client.correlation import Correlator, Told
from longboat.client.interface import Client, Key
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object, timestamp

log = logging.getLogger(__name__)

MAX_WAITING = 1000
LONGEST_MESSAGE = 1024
ATTEMPTS = 3  # while the API does not answer


class EventRecorder:
    """Writes core/v1 Events. Telling never waits and never fails; what cannot be written is logged and dropped."""

    def __init__(self, client: Client, clock: Clock, component: str, host: str = "") -> None:
        self._client = client
        self._clock = clock
        self._component = component
        self._host = host
        self._correlator = Correlator()
        self._tasks = Tasks(f"events/{component}")
        self._latest = 0
        self.dropped = 0

    def event(
        self, about: View | Object, type_: str, reason: str, message: str, *, action: str = "",
        notes: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """`about` is a view, or an ObjectReference; type is Normal or Warning; `notes` become annotations."""
        if len(self._tasks) >= MAX_WAITING:
            self.dropped += 1
            return
        ref = about if isinstance(about, dict) else reference(about)
        if len(message) > LONGEST_MESSAGE:
            message = message[: LONGEST_MESSAGE - 4] + " ..."
        key = self._key(ref)
        now = timestamp(self._clock.now())
        event = Told(key, ref, type_, reason, message, action, now, now, notes or {})
        told = self._correlator.tell(event, self._clock.monotonic())
        if told is None:
            self.dropped += 1
        elif not told.busy:
            told.busy = True
            self._tasks.spawn(reason, self._write(told))

    async def close(self) -> None:
        await self._tasks.close()

    def _key(self, about: Object) -> Key:
        return Key(about.get("namespace") or "default", f"{about.get('name', '')}.{self._suffix():x}")

    def _suffix(self) -> int:
        """Nanoseconds, always more than before: events of one second sort by name as they were told (client-go)."""
        self._latest = max(int(self._clock.now().timestamp() * 1e6) * 1000, self._latest + 1)
        return self._latest

    async def _write(self, told: Told) -> None:
        """Until what is written is what was told."""
        backoff = Backoff(first=1.0, longest=10.0)
        try:
            while told.written != told.count:
                count = told.count
                try:
                    await self._write_once(told)
                    told.written = count
                except StatusError as error:
                    # In a namespace that is going no events can be written: nothing is wrong.
                    log.debug("an event was not written: %s", error)
                    self.dropped += 1
                    return
                except ConnectionError as error:
                    if backoff.failures + 1 >= ATTEMPTS:
                        log.warning("an event was not written: %s", error)
                        self.dropped += 1
                        return
                    await self._clock.sleep(backoff.next())
        finally:
            told.busy = False

    async def _write_once(self, told: Told) -> None:
        if told.written:
            patch = {"count": told.count, "lastTimestamp": told.last, "message": told.message}
            try:
                await self._client.patch(kinds.CORE_EVENT, told.key, patch)
                return
            except StatusError as error:
                if error.code != 404:
                    raise
        while True:
            try:
                await self._client.create(kinds.CORE_EVENT, self._event(told), namespace=told.key.namespace)
                return
            except StatusError as error:
                if error.reason != "AlreadyExists":
                    raise
                # Another component spoke of the object at the very same moment.
                told.key = self._key(told.about)

    def _event(self, told: Told) -> Object:
        source = {"component": self._component, "host": self._host} if self._host else {"component": self._component}
        event: dict[str, Any] = {
            "kind": "Event",
            "apiVersion": "v1",
            "metadata": {"name": told.key.name, "namespace": told.key.namespace},
            "involvedObject": told.about,
            "reason": told.reason,
            "message": told.message,
            "source": source,
            "firstTimestamp": told.first,
            "lastTimestamp": told.last,
            "count": told.count,
            "type": told.type,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }
        if told.action:
            event["action"] = told.action
        if told.notes:
            event["metadata"]["annotations"] = dict(told.notes)
        return event


def reference(view: View) -> Object:
    """The ObjectReference of a view's object."""
    kind, meta = view.KIND, view.metadata
    ref: Object = {"kind": kind.name, "apiVersion": kind.api_version, "name": meta.name, "uid": meta.uid}
    if meta.namespace:
        ref["namespace"] = meta.namespace
    if meta.resourceVersion:
        ref["resourceVersion"] = meta.resourceVersion
    return ref
