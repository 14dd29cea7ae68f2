"""Keeps the status of PodDisruptionBudgets: how many of their pods may be evicted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from longboat.api import kinds
from longboat.api.view import OwnerReference, View, controller_of
from longboat.api.workloads import Pod, ReplicaSet, ReplicationController
from longboat.client.interface import Key
from longboat.controllers.disruption import budget as reckoning
from longboat.controllers.disruption.views import Budget, Deployment, StatefulSet
from longboat.controllers.mapping import Mapper, NoMatch
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key
from longboat.controllers.selection import Selectors
from longboat.machinery import selectors
from longboat.machinery.errors import StatusError

SCALABLE: dict[str, type[View]] = {
    each.KIND.name: each for each in (Deployment, ReplicaSet, StatefulSet, ReplicationController)
}


class Scaled(NamedTuple):
    """A controller of pods, by its uid, and how many it should have."""

    uid: str
    replicas: int


class _Meta(msgspec.Struct, frozen=True):
    uid: str = ""


class _Wanted(msgspec.Struct, frozen=True):
    replicas: int = 0


class _Scale(msgspec.Struct, frozen=True):
    metadata: _Meta
    spec: _Wanted = _Wanted()


class Unreckonable(Exception):
    """It cannot be said how many pods there should be."""


class DisruptionController(Controller):
    name = "disruption"
    component = "controllermanager"
    rights = """
        get list watch: apps/deployments apps/replicasets apps/statefulsets policy/poddisruptionbudgets
        get list watch: replicationcontrollers pods
        patch update: policy/poddisruptionbudgets/status
        get: */*/scale
    """
    watches = (Watch(Budget, own_key),)
    reads = (Pod, Deployment, ReplicaSet, StatefulSet, ReplicationController)
    workers = 1

    def setup(self) -> None:
        pods = self.cache(Pod)
        pods.index("namespace", lambda pod: (pod.metadata.namespace,))
        pods.on_change(self._pod_changed)
        self._mapper = Mapper(self.client, self.clock)
        self._selecting = Selectors(self.cache(Budget), lambda budget: budget.spec.selector, empty_is_all=True)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        for pod in (old, new):
            if pod is not None:
                for budget in self._selecting.matching(pod.metadata.namespace, pod.metadata.labels):
                    self.queue.add(Key(budget.metadata.namespace, budget.metadata.name))

    async def reconcile(self, key: Key) -> Requeue | None:
        budget = self.cache(Budget).get(key)
        if budget is None or budget.metadata.deletionTimestamp is not None:
            return None
        selector = selectors.from_api(budget.spec.selector)
        pods = [p for p in self.cache(Pod).by_index("namespace", key.namespace) if selector.matches(p.metadata.labels)]
        if not pods:
            self.events.event(budget, "Normal", "NoPods", "No matching pods found")
        now = self.clock.now()
        found = reckoning.leaving(budget, pods, now)
        for pod in found.stuck:
            why = f"Pod was expected by PDB {key} to be deleted but it wasn't"
            self.events.event(pod, "Warning", "NotDeleted", why)
        try:
            scale = await self._scale(pods) if reckoning.needs_scale(budget) else 0
        except Unreckonable as error:
            why = f"Failed to calculate the number of expected pods: {error}"
            self.events.event(budget, "Warning", "CalculateExpectedPodCountFailed", why)
            status = reckoning.failed(budget, str(error), now)
        else:
            wanted = reckoning.expected(budget, len(pods), scale)
            status = reckoning.new_status(budget, pods, wanted, found.going, now)
        if status is not None:
            # An eviction may have lowered the count meanwhile: the version makes sure that it is not lost.
            version = {"resourceVersion": budget.metadata.resourceVersion}
            await self.client.patch(
                kinds.POD_DISRUPTION_BUDGET, key, {"metadata": version, "status": status}, subresource="status"
            )
        return Requeue((found.recheck - now).total_seconds()) if found.recheck else None

    async def _scale(self, pods: Sequence[Pod]) -> int:
        """How many pods the controllers of these want, in all. Raises Unreckonable, ConnectionError."""
        wanted: dict[str, int] = {}
        for pod in pods:
            ref = controller_of(pod.metadata)
            if ref is None or ref.uid in wanted:
                continue  # of no controller: it counts where it is, and is not missed where it is not
            found = self._known(pod.metadata.namespace, ref) or await self._asked(pod.metadata.namespace, ref)
            if found is None:
                raise Unreckonable(f'found no controllers for pod "{pod.metadata.name}"')
            uid, replicas = found
            wanted[uid] = replicas
        return sum(wanted.values())

    def _known(self, namespace: str, ref: OwnerReference) -> Scaled | None:
        """What decides how many pods there are: of a Deployment's pods the Deployment."""
        view = SCALABLE.get(ref.kind)
        if view is None or view.KIND.group != ref.apiVersion.rpartition("/")[0]:
            return None
        owner = self.cache(view).get(Key(namespace, ref.name))
        if owner is None or owner.metadata.uid != ref.uid:
            return None
        above = controller_of(owner.metadata)
        if view is ReplicaSet and above is not None and above.kind == "Deployment":
            return self._known(namespace, above)
        assert isinstance(owner, ReplicaSet | Deployment | StatefulSet)
        return Scaled(owner.metadata.uid, owner.spec.replicas)

    async def _asked(self, namespace: str, ref: OwnerReference) -> Scaled | None:
        """What the Scale of a controller of any other kind says. Raises Unreckonable."""
        try:
            kind, scales = await self._mapper.in_version(ref.apiVersion, ref.kind)
            if not scales:
                raise Unreckonable(f"{kind.resource} does not implement the scale subresource")
            found = await self.client.get_raw(kind, Key(namespace, ref.name), subresource="scale")
        except NoMatch as error:
            raise Unreckonable(str(error)) from error
        except StatusError as error:
            if error.code == 404:
                return None
            raise Unreckonable(error.message) from error
        scale = msgspec.json.decode(found, type=_Scale)
        return Scaled(scale.metadata.uid, scale.spec.replicas) if scale.metadata.uid == ref.uid else None
