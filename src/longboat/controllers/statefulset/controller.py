"""Keeps the pods of StatefulSets, their claims and their revisions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from longboat.api import kinds
from longboat.api.view import View, controller_of
from longboat.api.workloads import Pod, available_in
from longboat.client.interface import Key
from longboat.controllers import history, ownership
from longboat.controllers.history import REVISION_LABEL, Revision
from longboat.controllers.runtime import Controller, Requeue, Watch, controller_key, namespace_is_going, own_key
from longboat.controllers.selection import Selectors
from longboat.controllers.statefulset import identity
from longboat.controllers.statefulset.plan import new_status, plan
from longboat.controllers.statefulset.views import Claim, StatefulSet
from longboat.machinery import selectors
from longboat.machinery.errors import StatusError


class StatefulSetController(Controller):
    name = "statefulset"
    rights = """
        get list watch: apps/statefulsets
        update: apps/statefulsets/status apps/statefulsets/finalizers
        create delete get list patch watch: pods
        create delete get list patch update watch: apps/controllerrevisions
        create delete get list watch: persistentvolumeclaims
        update: persistentvolumeclaims
    """
    watches = (
        Watch(StatefulSet, own_key),
        Watch(Pod, controller_key("StatefulSet")),
        Watch(Revision, controller_key("StatefulSet")),
    )
    reads = (Claim,)

    def setup(self) -> None:
        for view in (Pod, Revision):
            self.cache(view).index("owner", ownership.owner_uid)
            self.cache(view).index("orphan", ownership.orphanage)
        self.selecting = Selectors(self.cache(StatefulSet), lambda each: each.spec.selector)
        self.cache(Pod).on_change(self._orphan)

    def _orphan(self, old: Pod | None, new: Pod | None) -> None:
        """Wake whoever might adopt a pod without an owner."""
        if new is None or controller_of(new.metadata) is not None:
            return
        for each in self.selecting.matching(new.metadata.namespace, new.metadata.labels):
            self.queue.add(Key(each.metadata.namespace, each.metadata.name))

    async def reconcile(self, key: Key) -> Requeue | None:
        owner = self.cache(StatefulSet).get(key)
        if owner is None:
            return None
        pods = await self._claimed(owner, Pod)
        pods = [pod for pod in pods if identity.ordinal_of(owner, pod) is not None]
        if owner.metadata.deletionTimestamp is not None:
            return None
        revisions = history.sorted_by_age(await self._claimed(owner, Revision))
        data = history.patch_of(owner.spec.template)
        labels = owner.spec.template.metadata.get("labels") or {}
        update, collisions = await history.update_revision(
            self.client, owner, data, labels, revisions, owner.status.collisionCount
        )
        known = {revision.metadata.name: revision for revision in (*revisions, update)}
        current = known.get(owner.status.currentRevision, update)
        await self._act(owner, pods, current, update)
        await self._report(key, owner, pods, current, update, collisions)
        await self._truncate(owner, pods, current, update, list(known.values()))
        waits = [
            wait.total_seconds()
            for pod in pods
            if (wait := available_in(pod, owner.spec.minReadySeconds, self.clock.now())) and wait.total_seconds() > 0
        ]
        return Requeue(min(waits)) if waits else None

    async def _claimed(self, owner: StatefulSet, view: Any) -> list[Any]:
        """The owner's, adopted ones among them. Raises StatusError."""
        cache, selector = self.cache(view), selectors.from_api(owner.spec.selector)
        orphans = cache.by_index("orphan", owner.metadata.namespace)
        candidates: list[View] = [*cache.by_index("owner", owner.metadata.uid)]
        if view is Pod:
            candidates += [pod for pod in orphans if identity.ordinal_of(owner, pod) is not None]
        else:
            candidates += orphans
        return await ownership.claim(self.client, owner, ownership.sort_out(owner, selector, candidates))

    async def _act(self, owner: StatefulSet, pods: list[Pod], current: Revision, update: Revision) -> None:
        """Raises StatusError, ConnectionError."""
        templates = {revision.metadata.name: revision.template for revision in (current, update)}
        todo = plan(owner, pods, current.metadata.name, update.metadata.name, self.clock.now())
        for pod in todo.replace:
            meta = owner.metadata
            message = f"StatefulSet {meta.namespace}/{meta.name} is recreating failed Pod {pod.metadata.name}"
            self.events.event(owner, "Warning", "RecreatingFailedPod", message)
        await self._keep_claims(owner, todo.condemned)
        deletions = (self._delete(owner, pod) for pod in (*todo.replace, *todo.condemned, *todo.update))
        creations = (self._create(owner, ordinal, templates[name], name) for ordinal, name in todo.create)
        for outcome in await asyncio.gather(*deletions, *creations, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _create(self, owner: StatefulSet, ordinal: int, template: dict[str, Any], revision: str) -> None:
        """The claims first: a pod must not wait for what nobody makes. Raises StatusError, ConnectionError."""
        name, namespace = identity.pod_name(owner, ordinal), owner.metadata.namespace
        for wanted in owner.spec.volumeClaimTemplates:
            claim = identity.claim(owner, ordinal, wanted)
            called = claim["metadata"]["name"]
            if self.cache(Claim).get(Key(namespace, called)) is not None:
                continue
            what = f"Claim {called} Pod {name} in StatefulSet {owner.metadata.name}"
            if not await self._make(owner, kinds.PERSISTENT_VOLUME_CLAIM, claim, what, "success"):
                continue
        what = f"Pod {name} in StatefulSet {owner.metadata.name}"
        await self._make(owner, kinds.POD, identity.pod(owner, ordinal, template, revision), what, "successful")

    async def _make(self, owner: StatefulSet, kind: Any, body: dict[str, Any], what: str, word: str) -> bool:
        """False where it is there already, or its namespace is going. Raises StatusError, ConnectionError."""
        try:
            await self.client.create(kind, body, namespace=owner.metadata.namespace)
        except (StatusError, ConnectionError) as error:
            if isinstance(error, StatusError) and (error.reason == "AlreadyExists" or namespace_is_going(error)):
                return False
            self.events.event(owner, "Warning", "FailedCreate", f"create {what} failed error: {error}")
            raise
        self.events.event(owner, "Normal", "SuccessfulCreate", f"create {what} {word}")
        return True

    async def _delete(self, owner: StatefulSet, pod: Pod) -> None:
        """Raises StatusError, ConnectionError."""
        meta, what = pod.metadata, f"delete Pod {pod.metadata.name} in StatefulSet {owner.metadata.name}"
        try:
            await self.client.delete(kinds.POD, Key(meta.namespace, meta.name), uid=meta.uid)
        except (StatusError, ConnectionError) as error:
            if isinstance(error, StatusError) and error.code in (404, 409):
                return
            self.events.event(owner, "Warning", "FailedDelete", f"{what} failed error: {error}")
            raise
        self.events.event(owner, "Normal", "SuccessfulDelete", f"{what} successful")

    async def _keep_claims(self, owner: StatefulSet, condemned: Iterable[Pod]) -> None:
        """Where claims go when the set shrinks, those of a pod that goes are tied to it (KEP-1847)."""
        if owner.spec.persistentVolumeClaimRetentionPolicy.whenScaled != "Delete":
            return
        for pod in condemned:
            ordinal = identity.ordinal_of(owner, pod)
            assert ordinal is not None
            for template in owner.spec.volumeClaimTemplates:
                key = Key(owner.metadata.namespace, identity.claim_name(template, owner, ordinal))
                claim = self.cache(Claim).get(key)
                if claim is None or any(ref.uid == pod.metadata.uid for ref in claim.metadata.ownerReferences):
                    continue
                meta = {"uid": claim.metadata.uid, "ownerReferences": [identity.reference(pod)]}
                await self.client.patch(kinds.PERSISTENT_VOLUME_CLAIM, key, {"metadata": meta}, style="strategic")

    async def _report(
        self, key: Key, owner: StatefulSet, pods: list[Pod], current: Revision, update: Revision, collisions: int
    ) -> None:
        status = new_status(
            owner, pods, current.metadata.name, update.metadata.name, collisions, self.clock.now()
        )  # fmt: skip
        known = {name: getattr(owner.status, name) for name in status}
        if status != known:
            patch = {"metadata": {"uid": owner.metadata.uid}, "status": status}
            await self.client.patch(kinds.STATEFUL_SET, key, patch, subresource="status")

    async def _truncate(
        self, owner: StatefulSet, pods: list[Pod], current: Revision, update: Revision, revisions: list[Revision]
    ) -> None:
        live = {current.metadata.name, update.metadata.name}
        live |= {pod.metadata.labels.get(REVISION_LABEL, "") for pod in pods}
        ordered = history.sorted_by_age({r.metadata.uid: r for r in revisions}.values())
        for revision in history.superfluous(ordered, live, owner.spec.revisionHistoryLimit):
            await history.forget(self.client, revision)
