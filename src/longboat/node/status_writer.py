"""Writes pod statuses to the API: only the newest, only what differs, and never for a pod that has gone."""

from __future__ import annotations

import logging
from typing import Protocol

import msgspec

from longboat.aio.clock import Clock, Timer
from longboat.aio.tasks import Tasks
from longboat.api.view import Meta, Part
from longboat.client.interface import Client, Key
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.node.share import CONDITIONS as PASSING
from longboat.node.views.pod import Pod

log = logging.getLogger(__name__)
SETTLE = 2.0  # seconds the status of a pod that is only just starting may wait: it will soon be another
RETRY = 1.0  # seconds after a write failed


class StatusWriter(Protocol):
    def submit(self, pod: Pod, status: Object) -> None: ...

    def seen(self, pod: Pod) -> None:
        """The API's newest word on the pod: where others have said something else of it since, it is corrected."""
        ...

    def delete(self, pod: Pod) -> None:
        """Everything of the pod has ended: remove it from the API, after its last status has been written."""
        ...

    def forget(self, uid: str) -> None: ...


class _Answer(Part):
    metadata: Meta = Meta()


_answer = msgspec.json.Decoder(_Answer)


class _Entry(msgspec.Struct):
    pod: Pod
    status: Object
    written: Object | None = None
    writing: bool = False
    timer: Timer | None = None
    last: bool = False  # delete the pod once this is written
    version: int = 0  # of the object that was written

    @property
    def is_contradicted(self) -> bool:
        """Whether somebody has written one of our conditions after us."""
        if self.written is None or int(self.pod.metadata.resourceVersion or 0) <= self.version:
            return False
        ours = {condition["type"]: condition["status"] for condition in self.written.get("conditions", ())}
        return any(ours.get(theirs.type, theirs.status) != theirs.status for theirs in self.pod.status.conditions)


class ApiStatusWriter:
    """One write at a time per pod, as many pods as there are."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._entries: dict[str, _Entry] = {}
        self._tasks = Tasks("pod-status")

    async def close(self) -> None:
        await self._tasks.close()

    def submit(self, pod: Pod, status: Object) -> None:
        entry = self._entries.get(pod.uid)
        if entry is None:
            entry = self._entries[pod.uid] = _Entry(pod, status)
        entry.pod, entry.status = pod, status
        if entry.writing or status == entry.written:
            return
        if _is_starting(status) and entry.written is None and pod.status.phase == "Pending":
            if entry.timer is None:
                entry.timer = self._clock.call_later(SETTLE, lambda: self._start(pod.uid))
            return
        self._start(pod.uid)

    def seen(self, pod: Pod) -> None:
        entry = self._entries.get(pod.uid)
        if entry is not None:
            entry.pod = pod
            if entry.is_contradicted:
                self._start(pod.uid)

    def delete(self, pod: Pod) -> None:
        entry = self._entries.setdefault(pod.uid, _Entry(pod, {}, written={}))
        entry.last = True
        self._start(pod.uid)

    def forget(self, uid: str) -> None:
        entry = self._entries.get(uid)
        if entry is not None and not entry.writing:
            self._drop(uid)

    def _drop(self, uid: str) -> None:
        entry = self._entries.pop(uid, None)
        if entry is not None and entry.timer is not None:
            entry.timer.cancel()

    def _start(self, uid: str) -> None:
        entry = self._entries.get(uid)
        if entry is None or entry.writing:
            return
        if entry.timer is not None:
            entry.timer.cancel()
            entry.timer = None
        entry.writing = True
        self._tasks.spawn(entry.pod.metadata.name, self._write(uid, entry))

    async def _write(self, uid: str, entry: _Entry) -> None:
        gone = False
        try:
            while entry.status != entry.written or entry.is_contradicted:
                status = entry.status
                version = await self._patch(entry.pod, status, entry.written)
                gone = version is None
                if version is None:
                    return
                entry.written, entry.version = status, version
            if entry.last:
                gone = True
                await self._delete(entry.pod)
        except (StatusError, OSError) as error:
            log.warning("the status of %s was not written, trying again: %s", entry.pod, error)
            gone = False
            entry.timer = self._clock.call_later(RETRY, lambda: self._start(uid))
        finally:
            entry.writing = False
            if gone:
                self._drop(uid)

    async def _patch(self, pod: Pod, status: Object, written: Object | None) -> int | None:
        """The version it has then; None where the pod is no longer there, or is another by the same name."""
        shown = {c.type for c in pod.status.conditions} | {c["type"] for c in (written or {}).get("conditions", ())}
        body = {"metadata": {"uid": pod.uid}, "status": _patch_of(status, shown)}
        key = Key(pod.metadata.namespace, pod.metadata.name)
        try:
            answer = await self._client.patch(Pod, key, body, style="strategic", subresource="status")
        except StatusError as error:
            if error.code in (404, 409):
                return None
            raise
        return int(_answer.decode(answer).metadata.resourceVersion or 0)

    async def _delete(self, pod: Pod) -> None:
        try:
            key = Key(pod.metadata.namespace, pod.metadata.name)
            await self._client.delete(Pod, key, uid=pod.uid, grace=0)
        except StatusError as error:
            if error.code not in (404, 409):
                raise


def _is_starting(status: Object) -> bool:
    """Nothing yet but that it waits."""
    listed = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    usual = ("ContainerCreating", "PodInitializing")
    return status.get("phase") == "Pending" and all(
        s["state"].get("waiting", {}).get("reason") in usual and not s["restartCount"] for s in listed
    )


def _patch_of(status: Object, shown: set[str]) -> Object:
    """A strategic merge patch that leaves exactly this behind; other components' conditions stay. `shown` are the types
    of conditions that the API has.

    Lists that would be merged by address are replaced.
    """
    made = dict(status)
    held = {condition["type"] for condition in made.get("conditions", ())}
    if over := sorted(shown.intersection(PASSING) - held):
        made["conditions"] = [*made.get("conditions", ()), *({"$patch": "delete", "type": kind} for kind in over)]
    for field in ("podIPs", "hostIPs"):
        if made.get(field):
            made[field] = [*made[field], {"$patch": "replace"}]
    return made
