"""What people are told of a webhook that cannot be asked: an Event about its configuration.

`kubectl describe` shows it with the configuration, `kubectl get events -n default` and dashboards find it, and it is
gone an hour after the webhook is well again. A condition would need a status, which these kinds do not have. The event
is the server's own: nobody is asked about it, least of all the webhook that it is about.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.apiserver.admission.webhooks.hooks import Hook
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object, timestamp
from longboat.registry.store import Store
from longboat.registry.write import Write

log = logging.getLogger(__name__)

REASON, COMPONENT = "FailedCallingWebhook", "kube-apiserver"
EVERY = 30.0  # seconds between two writes about one webhook
AFRESH = 600.0  # seconds without a failure, after which the next one is another event
MOST = 200  # webhooks that are told of
LONGEST = 1024  # characters of a message


@dataclass(slots=True)
class _Told:
    about: Object
    first: datetime
    last: datetime
    name: str
    message: str = ""
    count: int = 0
    written: int = 0
    busy: bool = False


class Complaints:
    def __init__(self, events: Store, clock: Clock, tasks: Tasks) -> None:
        self._events, self._clock, self._tasks = events, clock, tasks
        self._told: dict[tuple[Kind, str, str], _Told] = {}

    def failed(self, kind: Kind, hook: Hook, why: str) -> None:
        """`kind`: of the configuration. `why`: as the client is told."""
        now = self._clock.now()
        key = (kind, hook.configuration, hook.name)
        told = self._told.get(key)
        if told is None or ((now - told.last).total_seconds() > AFRESH and not told.busy):
            self._forget(now)
            if told is None and len(self._told) >= MOST:
                return
            about = {"kind": kind.name, "apiVersion": kind.api_version, "name": hook.configuration, "uid": hook.uid}
            name = f"{hook.configuration}.{int(now.timestamp() * 1e6) * 1000 + len(self._told):x}"
            told = self._told[key] = _Told(about, now, now, name)
        then = "what it would have been asked about is let through" if hook.fails_open else (
            "what it was to be asked about is refused"
        )  # fmt: skip
        told.message = f'failed calling webhook "{hook.name}": {why}; {then}'[:LONGEST]
        told.last, told.count = now, told.count + 1
        if not told.busy:
            told.busy = True
            self._tasks.spawn("event of a webhook that failed", self._write(told))

    def _forget(self, now: datetime) -> None:
        for key, told in list(self._told.items()):
            if not told.busy and (now - told.last).total_seconds() > AFRESH:
                del self._told[key]

    async def _write(self, told: _Told) -> None:
        """Until what is written is what there was to tell."""
        try:
            while told.written != told.count:
                count = told.count
                try:
                    await self._put(told)
                except StatusError as error:
                    log.warning("an event was not written: %s", error)
                told.written = count
                await self._clock.sleep(EVERY)
        finally:
            told.busy = False

    async def _put(self, told: _Told) -> None:
        def counted(old: Object) -> Object:
            return {**old, **_changing(told)}

        if told.written:
            try:
                await self._events.update("default", told.name, counted, Write(), retry=True)
                return
            except StatusError as error:
                if error.code != 404:
                    raise
        event = {
            "kind": "Event", "apiVersion": "v1", "metadata": {"name": told.name, "namespace": "default"},
            "involvedObject": told.about, "reason": REASON, "type": "Warning", "source": {"component": COMPONENT},
            "firstTimestamp": timestamp(told.first), "reportingComponent": COMPONENT, "reportingInstance": "",
            **_changing(told),
        }  # fmt: skip
        await self._events.create(event, "default", Write())


def _changing(told: _Told) -> Object:
    return {"count": told.count, "lastTimestamp": timestamp(told.last), "message": told.message}
