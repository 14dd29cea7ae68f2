"""Keeps as many pods as a ReplicaSet, or a ReplicationController, asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar

import msgspec

from longboat.api import kinds
from longboat.api.view import View, controller_of
from longboat.api.workloads import Pod, ReplicaSet, ReplicationController, active
from longboat.client.interface import Key
from longboat.controllers import ownership
from longboat.controllers.expectations import Expectations
from longboat.controllers.replicaset.ranking import victims
from longboat.controllers.replicaset.status import new_status, next_available
from longboat.controllers.runtime import Controller, Requeue, Watch, controller_key, namespace_is_going, own_key
from longboat.controllers.selection import Selectors
from longboat.machinery import selectors
from longboat.machinery.errors import StatusError

BURST = 500  # pods created or deleted in one pass at most
FIRST_BATCH = 1  # creations start slowly and double, so that a refusal costs few requests

Problem = StatusError | ConnectionError


class ReplicaSetController(Controller):
    name = "replicaset"
    rights = """
        get list update watch: apps/replicasets
        patch update: apps/replicasets/status
        update: apps/replicasets/finalizers
        create delete get list patch watch: pods
    """
    watches = (Watch(ReplicaSet, own_key), Watch(Pod, controller_key("ReplicaSet")))
    OWNER: ClassVar[type[ReplicaSet]] = ReplicaSet

    def setup(self) -> None:
        self.expected = Expectations(self.clock)
        pods, sets = self.cache(Pod), self.cache(self.OWNER)
        pods.index("owner", ownership.owner_uid)
        pods.index("orphan", ownership.orphanage)
        sets.index("owner", ownership.owner_uid)
        sets.on_change(self._set_changed)
        self.selecting = Selectors(sets, lambda each: each.selector)
        self._keys = controller_key(self.OWNER.KIND.name)
        pods.on_change(self._pod_changed)

    def _set_changed(self, old: ReplicaSet | None, new: ReplicaSet | None) -> None:
        """What was expected of one that is gone is not to be expected of another of its name."""
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self.expected.forget(Key(old.metadata.namespace, old.metadata.name))

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        """See what was expected; wake whoever might adopt a pod without an owner."""
        pod = new or old
        assert pod is not None
        for key in self._keys(pod):
            if old is None:
                self.expected.created(key)
            if new is None or new.metadata.deletionTimestamp:
                self.expected.deleted(key, pod.metadata.uid)
        if new is None or controller_of(new.metadata) is not None:
            return
        if old is None or controller_of(old.metadata) or old.metadata.labels != new.metadata.labels:
            for each in self.selecting.matching(new.metadata.namespace, new.metadata.labels):
                self.queue.add(Key(each.metadata.namespace, each.metadata.name))

    async def reconcile(self, key: Key) -> Requeue | None:
        owner = self.cache(self.OWNER).get(key)
        if owner is None:
            self.expected.forget(key)
            return None
        settled = self.expected.met(key)
        selector = selectors.from_api(owner.selector)
        pods = self.cache(Pod)
        candidates = [
            *pods.by_index("owner", owner.metadata.uid),
            *pods.by_index("orphan", owner.metadata.namespace),
        ]
        mine = await ownership.claim(self.client, owner, ownership.sort_out(owner, selector, candidates))
        living = [pod for pod in mine if active(pod)]
        failure: Problem | None = None
        if settled and owner.metadata.deletionTimestamp is None:
            try:
                await self._adjust(key, owner, living)
            except (StatusError, ConnectionError) as error:
                failure = error
        await self._report(key, owner, mine, living, failure)
        if failure is not None:
            raise failure
        wait = next_available(living, owner.spec.minReadySeconds, self.clock.now())
        return Requeue(wait) if wait is not None else None

    async def _adjust(self, key: Key, owner: ReplicaSet, living: Sequence[Pod]) -> None:
        """Create or delete what is missing or too many. Raises StatusError, ConnectionError."""
        difference = owner.spec.replicas - len(living)
        if difference > 0:
            count = min(difference, BURST)
            self.expected.expect_creations(key, count)
            body = pod_of(owner, owner.spec.template)
            made = await slow_start(count, lambda: self._create(key, owner, body))
            for _ in range(count - made.attempted):
                self.expected.created(key)
            if made.error:
                raise made.error
        elif difference < 0:
            doomed = victims(living, min(-difference, BURST), self._related(owner), self.clock.now())
            for pod in doomed:
                self.expected.expect_deletion(key, pod.metadata.uid)
            errors = await asyncio.gather(*(self._delete(key, owner, pod) for pod in doomed))
            if error := next((e for e in errors if e), None):
                raise error

    async def _create(self, key: Key, owner: ReplicaSet, body: bytes) -> None:
        try:
            made = await self.client.create(kinds.POD, body, namespace=owner.metadata.namespace)
        except (StatusError, ConnectionError) as error:
            self.expected.created(key)
            if isinstance(error, StatusError) and namespace_is_going(error):
                return  # the namespace takes its ReplicaSets with it
            self.events.event(owner, "Warning", "FailedCreate", f"Error creating: {error}")
            raise
        name = msgspec.json.decode(made, type=_Made).metadata.name
        self.events.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {name}")

    async def _delete(self, key: Key, owner: ReplicaSet, pod: Pod) -> Problem | None:
        meta = pod.metadata
        try:
            await self.client.delete(kinds.POD, Key(meta.namespace, meta.name), uid=meta.uid)
        except (StatusError, ConnectionError) as error:
            self.expected.deleted(key, meta.uid)
            if isinstance(error, StatusError) and error.code in (404, 409):
                return None
            self.events.event(owner, "Warning", "FailedDelete", f"Error deleting: {error}")
            return error
        self.events.event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {meta.name}")
        return None

    def _related(self, owner: ReplicaSet) -> list[Pod]:
        """The pods of every ReplicaSet with the same owner: those that share a purpose."""
        above = controller_of(owner.metadata)
        sets = self.cache(self.OWNER).by_index("owner", above.uid) if above else [owner]
        pods = self.cache(Pod)
        return [pod for one in sets for pod in pods.by_index("owner", one.metadata.uid) if active(pod)]

    async def _report(
        self, key: Key, owner: ReplicaSet, mine: Sequence[Pod], living: Sequence[Pod], failure: Problem | None
    ) -> None:
        status = new_status(owner, mine, living, failure, self.clock.now())
        if status is None:
            return
        patch = {"metadata": {"uid": owner.metadata.uid}, "status": status}
        await self.client.patch(self.OWNER.KIND, key, patch, subresource="status")


class ReplicationControllerController(ReplicaSetController):
    name = "replication"
    queue_name = "replicationmanager"
    component = account = "replication-controller"
    rights = """
        get list update watch: replicationcontrollers
        patch update: replicationcontrollers/status
        update: replicationcontrollers/finalizers
        create delete get list patch watch: pods
    """
    watches = (Watch(ReplicationController, own_key), Watch(Pod, controller_key("ReplicationController")))
    OWNER = ReplicationController


class _Meta(msgspec.Struct):
    name: str


class _Made(msgspec.Struct):
    metadata: _Meta


class Started(msgspec.Struct):
    """How many of a slow start were attempted, and the first error."""

    attempted: int
    error: Problem | None = None


async def slow_start(count: int, work: Callable[[], Awaitable[None]]) -> Started:
    """Do `work` so many times, in batches that double while all goes well; stop after a batch with an error."""
    done, batch = 0, FIRST_BATCH
    while done < count:
        size = min(batch, count - done)
        results = await asyncio.gather(*(work() for _ in range(size)), return_exceptions=True)
        done += size
        for result in results:
            if isinstance(result, StatusError | ConnectionError):
                return Started(done, result)
            if isinstance(result, BaseException):
                raise result
        batch *= 2
    return Started(done)


def pod_of(owner: View, template: Any) -> bytes:
    """The pod to create from a template."""
    meta = {key: template.metadata[key] for key in ("labels", "annotations", "finalizers") if key in template.metadata}
    base = owner.metadata.name
    meta |= {"generateName": f"{base}-", "ownerReferences": [ownership.owner_reference(owner)]}
    return msgspec.json.encode({"kind": "Pod", "apiVersion": "v1", "metadata": meta, "spec": template.spec})
