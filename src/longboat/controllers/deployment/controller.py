"""Rolls a Deployment's pods from its old ReplicaSets to the one of its current template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from longboat.api import kinds
from longboat.api.view import controller_of
from longboat.api.workloads import POD_HASH, Pod, ReplicaSet
from longboat.client.interface import Key
from longboat.controllers import ownership
from longboat.controllers.deployment import revisions, rolling, status
from longboat.controllers.deployment.views import Deployment
from longboat.controllers.runtime import Controller, Requeue, Watch, controller_key, namespace_is_going, own_key
from longboat.controllers.selection import Selectors
from longboat.machinery import selectors
from longboat.machinery.errors import StatusError


class DeploymentController(Controller):
    name = "deployment"
    rights = """
        get list update watch: apps/deployments
        patch update: apps/deployments/status
        update: apps/deployments/finalizers
        create delete get list patch update watch: apps/replicasets
        get list update watch: pods
    """
    watches = (Watch(Deployment, own_key), Watch(ReplicaSet, controller_key("Deployment")))
    reads = (Pod,)

    def setup(self) -> None:
        sets = self.cache(ReplicaSet)
        sets.index("owner", ownership.owner_uid)
        sets.index("orphan", ownership.orphanage)
        self.cache(Pod).index("owner", ownership.owner_uid)
        self.selecting = Selectors(self.cache(Deployment), lambda each: each.spec.selector)
        self.cache(Pod).on_change(self._pod_changed)
        sets.on_change(self._orphan_changed)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        """Recreate waits for the last old pod to go."""
        if new is not None or old is None or not (ref := controller_of(old.metadata)) or ref.kind != "ReplicaSet":
            return
        owner = self.cache(ReplicaSet).get(Key(old.metadata.namespace, ref.name))
        above = controller_of(owner.metadata) if owner else None
        if above and above.kind == "Deployment":
            self.queue.add(Key(old.metadata.namespace, above.name))

    def _orphan_changed(self, old: ReplicaSet | None, new: ReplicaSet | None) -> None:
        """A ReplicaSet without an owner may be somebody's."""
        if new is None or controller_of(new.metadata) is not None:
            return
        for each in self.selecting.matching(new.metadata.namespace, new.metadata.labels):
            self.queue.add(Key(each.metadata.namespace, each.metadata.name))

    async def reconcile(self, key: Key) -> Requeue | None:
        deployment = self.cache(Deployment).get(key)
        if deployment is None:
            return None
        selector = selectors.from_api(deployment.spec.selector)
        if selector.empty:
            message = "This deployment is selecting all pods. A non-empty selector is required."
            self.events.event(deployment, "Warning", "SelectingAll", message)
            return None
        known = self.cache(ReplicaSet)
        candidates = [
            *known.by_index("owner", deployment.metadata.uid),
            *known.by_index("orphan", deployment.metadata.namespace),
        ]
        sets = await ownership.claim(self.client, deployment, ownership.sort_out(deployment, selector, candidates))
        rollout = Rollout(self, deployment, sets)
        if deployment.metadata.deletionTimestamp is None:
            await rollout.advance()
        return await rollout.report()


class Rollout:
    """One pass over one Deployment."""

    def __init__(self, controller: DeploymentController, deployment: Deployment, sets: Sequence[ReplicaSet]) -> None:
        self._controller = controller
        self._client = controller.client
        self.deployment = deployment
        self.sets = list(sets)
        self.new = revisions.find_new(deployment, sets)
        self._failure: StatusError | None = None
        self._announced: tuple[str, str, str] | None = None
        self._rolls = False  # neither paused nor only resized: progress is to be judged

    @property
    def old(self) -> list[ReplicaSet]:
        return [each for each in self.sets if self.new is None or each.metadata.uid != self.new.metadata.uid]

    async def advance(self) -> None:
        """Take the next step. Raises StatusError."""
        deployment = self.deployment
        if deployment.spec.paused:
            self._announce_pause()
            await self._annotate_new(create=False)
            await self._resize()
            await self._clean_up()
            return
        self._announce_pause()
        if self._resized():
            await self._annotate_new(create=False)
            await self._resize()
            return
        self._rolls = True
        if deployment.spec.strategy.type == "Recreate":
            await self._recreate()
        else:
            await self._roll()
        if status.complete(deployment, self._counts()):
            await self._clean_up()

    def _announce_pause(self) -> None:
        """Pausing and resuming are told in the Progressing condition, and stop the deadline."""
        current = status.find(self.deployment, status.PROGRESSING)
        if current is not None and current.reason == status.TIMED_OUT:
            return
        paused = current is not None and current.reason == "DeploymentPaused"
        if self.deployment.spec.paused and not paused:
            self._announced = ("Unknown", "DeploymentPaused", "Deployment is paused")
        elif paused and not self.deployment.spec.paused:
            self._announced = ("Unknown", "DeploymentResumed", "Deployment is resumed")

    def _resized(self) -> bool:
        """Whether the Deployment's own size has changed since its ReplicaSets were last scaled."""
        active_sets = [each for each in self.sets if each.spec.replicas > 0]
        wanted = str(self.deployment.spec.replicas)
        return any(each.metadata.annotations.get(revisions.DESIRED, wanted) != wanted for each in active_sets)

    async def _roll(self) -> None:
        await self._annotate_new(create=True)
        new = self.new
        if new is None:
            return
        size = rolling.new_replicas(self.deployment, self.sets, new)
        if size != new.spec.replicas:
            await self._scale(new, size)
            return
        for name, smaller in rolling.old_replicas(self.deployment, self.old, new).items():
            await self._scale(next(each for each in self.old if each.metadata.name == name), smaller)

    async def _recreate(self) -> None:
        """First every old pod goes, then the new ones come."""
        shrinking = [each for each in self.old if each.spec.replicas > 0]
        for each in shrinking:
            await self._scale(each, 0)
        if shrinking or self._old_pods_run():
            return
        await self._annotate_new(create=True)
        if self.new is not None and self.new.spec.replicas != self.deployment.spec.replicas:
            await self._scale(self.new, self.deployment.spec.replicas)

    def _old_pods_run(self) -> bool:
        pods = self._controller.cache(Pod)
        return any(
            pod.status.phase not in ("Succeeded", "Failed")
            for each in self.old
            for pod in pods.by_index("owner", each.metadata.uid)
        )

    async def _resize(self) -> None:
        """A Deployment that is resized in the middle of a rollout, or while paused, grows or shrinks all of it."""
        deployment = self.deployment
        wanted = deployment.spec.replicas
        active_sets = [each for each in self.sets if each.spec.replicas > 0]
        if len(active_sets) <= 1:
            only = next(iter(active_sets), None) or self.new or rolling.latest(self.old)
            if only is not None:
                await self._scale(only, wanted)
        elif rolling.saturated(deployment, self.new):
            for each in active_sets:
                if self.new is None or each.metadata.uid != self.new.metadata.uid:
                    await self._scale(each, 0)
        elif deployment.spec.strategy.type == "RollingUpdate":
            surge, _ = rolling.limits(deployment)
            total = wanted + surge if wanted else 0
            sizes = rolling.proportions(total, active_sets, deployment.status.replicas)
            for each in active_sets:
                await self._scale(each, sizes.get(each.metadata.name, each.spec.replicas))

    async def _annotate_new(self, *, create: bool) -> None:
        """Find or create the ReplicaSet of the current template, with the next revision's number."""
        deployment = self.deployment
        number = max((revisions.revision(each) for each in self.old), default=0) + 1
        wanted = revisions.annotated(deployment, self.new, number)
        if self.new is None:
            if create:
                await self._create({**wanted, **self._sizes()}, number)
            return
        new = self.new
        if wanted != new.metadata.annotations or new.spec.minReadySeconds != deployment.spec.minReadySeconds:
            patch = {
                "metadata": {"uid": new.metadata.uid, "annotations": wanted},
                "spec": {"minReadySeconds": deployment.spec.minReadySeconds},
            }
            await self._patch_set(new, patch)
        await self._note_revision(wanted[revisions.REVISION])

    async def _create(self, annotations: dict[str, str], number: int) -> None:
        deployment = self.deployment
        digest = revisions.template_hash(deployment.spec.template, deployment.status.collisionCount)
        template = revisions.plain(deployment.spec.template)
        labels = {**template["metadata"].get("labels", {}), POD_HASH: digest}
        template["metadata"]["labels"] = labels
        empty = msgspec.json.decode(msgspec.json.encode({"metadata": {"name": ""}}), type=ReplicaSet)
        planned = msgspec.structs.replace(empty, spec=msgspec.structs.replace(empty.spec, replicas=0))
        size = rolling.new_replicas(deployment, [*self.sets, planned], planned)
        selector = dict(deployment.spec.selector or {})
        selector["matchLabels"] = {**selector.get("matchLabels", {}), POD_HASH: digest}
        meta = deployment.metadata
        name = f"{meta.name}-{digest}"
        body = {
            "kind": "ReplicaSet",
            "apiVersion": "apps/v1",
            "metadata": {
                "name": name,
                "labels": labels,
                "annotations": annotations,
                "ownerReferences": [ownership.owner_reference(deployment)],
            },
            "spec": {
                "replicas": size,
                "minReadySeconds": deployment.spec.minReadySeconds,
                "selector": selector,
                "template": template,
            },
        }
        try:
            made = await self._client.create(kinds.REPLICA_SET, body, namespace=meta.namespace)
        except StatusError as error:
            if error.reason == "AlreadyExists":
                await self._collided(name)
                return
            if namespace_is_going(error):
                return
            self._failure = error
            self._announced = ("False", "ReplicaSetCreateError", str(error))
            self._controller.events.event(
                deployment, "Warning", "ReplicaSetCreateError", f'Failed to create new replica set "{name}": {error}'
            )
            return
        self.new = msgspec.json.decode(made, type=ReplicaSet)
        self.sets.append(self.new)
        if size:
            self._tell_scaling(name, 0, size)
        self._announced = ("True", "NewReplicaSetCreated", f'Created new replica set "{name}"')
        await self._note_revision(str(number))

    async def _collided(self, name: str) -> None:
        """A ReplicaSet of that name is there. If it is this template's, the copy was behind; else hash anew."""
        key = Key(self.deployment.metadata.namespace, name)
        found = await self._client.get(ReplicaSet, key)
        owner = controller_of(found.metadata)
        ours = owner is not None and owner.uid == self.deployment.metadata.uid
        if ours and revisions.find_new(self.deployment, [found]):
            self.new = found
            self.sets = [each for each in self.sets if each.metadata.uid != found.metadata.uid] + [found]
            return
        count = self.deployment.status.collisionCount + 1
        await self._patch_status({"collisionCount": count})

    async def _note_revision(self, number: str) -> None:
        deployment = self.deployment
        if deployment.metadata.annotations.get(revisions.REVISION) != number:
            # Through the status, as upstream: what we note ourselves is no new generation.
            patch = {"metadata": {"uid": deployment.metadata.uid, "annotations": {revisions.REVISION: number}}}
            await self._client.patch(kinds.DEPLOYMENT, self._key, patch, subresource="status")

    async def _scale(self, each: ReplicaSet, size: int) -> None:
        """Set a ReplicaSet's size, and record the size of the Deployment that it goes with."""
        sizes, meta = self._sizes(), each.metadata
        if size == each.spec.replicas and sizes.items() <= meta.annotations.items():
            return
        patch = {
            "metadata": {"uid": meta.uid, "resourceVersion": meta.resourceVersion, "annotations": sizes},
            "spec": {"replicas": size},
        }
        await self._patch_set(each, patch)
        if size != each.spec.replicas:
            self._tell_scaling(meta.name, each.spec.replicas, size)

    def _sizes(self) -> dict[str, str]:
        surge, _ = rolling.limits(self.deployment)
        return revisions.sizes(self.deployment, surge)

    def _tell_scaling(self, name: str, before: int, after: int) -> None:
        way = "up" if after > before else "down"
        text = f"Scaled {way} replica set {name} from {before} to {after}"
        self._controller.events.event(self.deployment, "Normal", "ScalingReplicaSet", text)

    async def _patch_set(self, each: ReplicaSet, patch: dict[str, Any]) -> None:
        """Write, and go on with what was written."""
        key = Key(each.metadata.namespace, each.metadata.name)
        fresh = msgspec.json.decode(await self._client.patch(kinds.REPLICA_SET, key, patch), type=ReplicaSet)
        self.sets = [fresh if one.metadata.uid == fresh.metadata.uid else one for one in self.sets]
        if self.new is not None and self.new.metadata.uid == fresh.metadata.uid:
            self.new = fresh

    async def _clean_up(self) -> None:
        for each in revisions.superfluous(self.deployment, self.old):
            meta = each.metadata
            try:
                await self._client.delete(kinds.REPLICA_SET, Key(meta.namespace, meta.name), uid=meta.uid)
            except StatusError as error:
                if error.code != 404:
                    raise

    async def report(self) -> Requeue | None:
        """Write the status; come back when the progress deadline runs out."""
        deployment, moment = self.deployment, self._controller.clock.now()
        now = self._counts()
        wanted: dict[str, tuple[str, str, str] | None] = {status.AVAILABLE: status.available(deployment, now)}
        progress = self._announced
        if progress is None and self._rolls:
            progress = status.progressing(deployment, self.new, now, moment)
        if deployment.spec.progressDeadlineSeconds == status.NO_DEADLINE:
            wanted[status.PROGRESSING] = None
        elif progress is not None:
            wanted[status.PROGRESSING] = progress
        wanted[status.FAILURE] = self._replica_failure()
        changed: dict[str, Any] = {
            name: value for name, value in now.items() if (getattr(deployment.status, name) or 0) != value
        }
        conditions = status.conditions(deployment, wanted, moment)
        if conditions is not None:
            changed["conditions"] = conditions
        if changed:
            await self._patch_status(changed)
        if self._failure is not None:
            raise self._failure
        wait = status.deadline(deployment, now, moment)
        return Requeue(max(wait.total_seconds(), 0) + 1) if wait is not None else None

    def _replica_failure(self) -> tuple[str, str, str] | None:
        for each in (self.new, *self.old):
            for condition in each.status.conditions if each else ():
                if condition.type == "ReplicaFailure":
                    return condition.status, condition.reason, condition.message
        return None

    def _counts(self) -> status.Counts:
        return status.counts(self.deployment, self.sets, self.new)

    async def _patch_status(self, changed: dict[str, Any]) -> None:
        patch = {"metadata": {"uid": self.deployment.metadata.uid}, "status": changed}
        await self._client.patch(kinds.DEPLOYMENT, self._key, patch, subresource="status")

    @property
    def _key(self) -> Key:
        return Key(self.deployment.metadata.namespace, self.deployment.metadata.name)
