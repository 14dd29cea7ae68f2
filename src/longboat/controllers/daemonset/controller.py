"""Keeps the pods of DaemonSets, and their revisions."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from longboat.aio.backoffs import BackOff
from longboat.api import kinds
from longboat.api.view import controller_of
from longboat.api.workloads import available_in
from longboat.client.interface import Key
from longboat.controllers import history, ownership
from longboat.controllers.daemonset.placement import belongs, placement, pod
from longboat.controllers.daemonset.plan import Plan, new_status, plan, tally
from longboat.controllers.daemonset.views import DaemonPod, DaemonSet, Node
from longboat.controllers.expectations import Expectations
from longboat.controllers.history import REVISION_LABEL, Revision
from longboat.controllers.replicaset.controller import slow_start
from longboat.controllers.runtime import Controller, Requeue, Watch, controller_key, namespace_is_going, own_key
from longboat.controllers.selection import Selectors
from longboat.machinery import selectors
from longboat.machinery.errors import StatusError

FIRST_AGAIN, MOST_AGAIN = 1.0, 900.0  # seconds until a pod that fails again on a node is replaced once more


class DaemonSetController(Controller):
    name = "daemonset"
    account = "daemon-set-controller"
    rights = """
        get list watch: apps/daemonsets
        update: apps/daemonsets/status apps/daemonsets/finalizers
        list watch: nodes
        create delete get list patch watch: pods
        create: pods/binding
        create delete get list patch update watch: apps/controllerrevisions
    """
    watches = (
        Watch(DaemonSet, own_key),
        Watch(DaemonPod, controller_key("DaemonSet")),
        Watch(Revision, controller_key("DaemonSet")),
    )
    reads = (Node,)

    def setup(self) -> None:
        self.expected = Expectations(self.clock)
        self.replaced = BackOff(FIRST_AGAIN, MOST_AGAIN)  # failed pods, by set, generation and node
        for view in (DaemonPod, Revision):
            self.cache(view).index("owner", ownership.owner_uid)
            self.cache(view).index("orphan", ownership.orphanage)
        self.selecting = Selectors(self.cache(DaemonSet), lambda each: each.spec.selector)
        self.cache(DaemonPod).on_change(self._pod_changed)
        self.cache(Node).on_change(self._node_changed)

    def _pod_changed(self, old: DaemonPod | None, new: DaemonPod | None) -> None:
        """See what was expected; wake whoever might adopt a pod without an owner."""
        either = new or old
        assert either is not None
        for key in controller_key("DaemonSet")(either):
            if old is None:
                self.expected.created(key)
            if new is None or new.metadata.deletionTimestamp:
                self.expected.deleted(key, either.metadata.uid)
        if new is not None and controller_of(new.metadata) is None:
            for each in self.selecting.matching(new.metadata.namespace, new.metadata.labels):
                self.queue.add(Key(each.metadata.namespace, each.metadata.name))

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        """Wake the sets for which the change makes a difference."""
        if old and new and (old.metadata.labels, old.spec) == (new.metadata.labels, new.spec):
            return
        for owner in self.cache(DaemonSet).values():
            wanted = placement(owner)
            before, after = (belongs(wanted, node) if node else None for node in (old, new))
            if before != after:
                self.queue.add(Key(owner.metadata.namespace, owner.metadata.name))

    async def reconcile(self, key: Key) -> Requeue | None:
        owner = self.cache(DaemonSet).get(key)
        if owner is None:
            self.expected.forget(key)
            self.replaced.forget(f"{key.namespace}/{key.name}/")
            return None
        settled = self.expected.met(key)
        pods = await self._claimed(owner, DaemonPod)
        if owner.metadata.deletionTimestamp is not None:
            return None
        revisions = history.sorted_by_age(await self._claimed(owner, Revision))
        data = history.patch_of(owner.spec.template)
        labels = owner.spec.template.metadata.get("labels") or {}
        update, collisions = await history.update_revision(
            self.client, owner, data, labels, revisions, owner.status.collisionCount
        )
        value = update.metadata.labels[REVISION_LABEL]
        found = tally(placement(owner), pods, self.cache(Node).values())
        waits: list[float] = []
        if settled:
            todo = plan(owner, found, value, self.clock.now())
            waits = self._hold_back(key, owner, todo)
            await self._act(key, owner, todo, update.template, value)
        await self._report(key, owner, new_status(owner, found, value, collisions, self.clock.now()))
        await self._truncate(owner, pods, update, revisions)
        left = [available_in(each, owner.spec.minReadySeconds, self.clock.now()) for each in pods]
        waits += [wait.total_seconds() for wait in left if wait and wait.total_seconds() > 0]
        return Requeue(min(waits)) if waits else None

    async def _claimed(self, owner: DaemonSet, view: Any) -> list[Any]:
        """The owner's, adopted ones among them. Raises StatusError."""
        cache, selector = self.cache(view), selectors.from_api(owner.spec.selector)
        candidates = [
            *cache.by_index("owner", owner.metadata.uid),
            *cache.by_index("orphan", owner.metadata.namespace),
        ]
        return await ownership.claim(self.client, owner, ownership.sort_out(owner, selector, candidates))

    def _hold_back(self, key: Key, owner: DaemonSet, todo: Plan) -> list[float]:
        """Leave pods that fail again and again for a while: a node that refuses them would be sent the next at once.
        Seconds until each may go."""
        waits, now = [], self.clock.monotonic()
        self.replaced.prune(now)
        for each in list(todo.failed):
            of = f"{key.namespace}/{key.name}/{owner.metadata.uid}/{owner.metadata.generation}/{each.node}"
            if wait := self.replaced.held(of, now):
                todo.failed.remove(each)
                waits.append(wait)
            else:
                self.replaced.count(of, now)
        return waits

    async def _act(self, key: Key, owner: DaemonSet, todo: Plan, template: dict[str, Any], revision: str) -> None:
        """Raises StatusError, ConnectionError."""
        for pods, how, kind, end in (
            (todo.failed, "failed", "Warning", "kill"),
            (todo.succeeded, "succeeded", "Normal", "delete"),
        ):
            for each in pods:
                where = f"{each.metadata.namespace}/{each.metadata.name} on node {each.node}"
                message = f"Found {how} daemon pod {where}, will try to {end} it"
                self.events.event(owner, kind, f"{how.capitalize()}DaemonPod", message)
        doomed = [*todo.failed, *todo.succeeded, *todo.delete]
        for each in doomed:
            self.expected.expect_deletion(key, each.metadata.uid)
        outcomes = await asyncio.gather(*(self._delete(key, owner, each) for each in doomed), return_exceptions=True)
        nodes = iter(todo.create)
        if todo.create:
            self.expected.expect_creations(key, len(todo.create))
        made = await slow_start(
            len(todo.create), lambda: self._create(key, owner, pod(owner, next(nodes), template, revision))
        )
        for _ in range(len(todo.create) - made.attempted):
            self.expected.created(key)
        for outcome in (*outcomes, made.error):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _create(self, key: Key, owner: DaemonSet, body: dict[str, Any]) -> None:
        try:
            made = await self.client.create(kinds.POD, body, namespace=owner.metadata.namespace)
        except (StatusError, ConnectionError) as error:
            self.expected.created(key)
            if isinstance(error, StatusError) and namespace_is_going(error):
                return
            self.events.event(owner, "Warning", "FailedCreate", f"Error creating: {error}")
            raise
        name = msgspec.json.decode(made)["metadata"]["name"]
        self.events.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {name}")

    async def _delete(self, key: Key, owner: DaemonSet, each: DaemonPod) -> None:
        meta = each.metadata
        try:
            await self.client.delete(kinds.POD, Key(meta.namespace, meta.name), uid=meta.uid)
        except (StatusError, ConnectionError) as error:
            self.expected.deleted(key, meta.uid)
            if isinstance(error, StatusError) and error.code in (404, 409):
                return
            self.events.event(owner, "Warning", "FailedDelete", f"Error deleting: {error}")
            raise
        self.events.event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {meta.name}")

    async def _report(self, key: Key, owner: DaemonSet, status: dict[str, Any]) -> None:
        if status != {name: getattr(owner.status, name) for name in status}:
            patch = {"metadata": {"uid": owner.metadata.uid}, "status": status}
            await self.client.patch(kinds.DAEMON_SET, key, patch, subresource="status")

    async def _truncate(
        self, owner: DaemonSet, pods: list[DaemonPod], update: Revision, revisions: list[Revision]
    ) -> None:  # fmt: skip
        used = {each.metadata.labels.get(REVISION_LABEL, "") for each in pods}
        live = {r.metadata.name for r in revisions if r.metadata.labels.get(REVISION_LABEL) in used}
        live.add(update.metadata.name)
        for revision in history.superfluous(revisions, live, owner.spec.revisionHistoryLimit):
            await history.forget(self.client, revision)
