"""Puts pods where their claims' volumes are, or can be found or made; then has them bound before the pod is.

Claims of classes that wait for their first consumer are decided here, node by node (KEP-490).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from longboat.api.storage import Claim, StorageClass, claim_class, size, waits_for_consumer
from longboat.api.view import controller_of
from longboat.api.volume_matching import Place, is_bound, match, reaches
from longboat.scheduler.info import ClaimUse, PodInfo
from longboat.scheduler.plugin import SKIP, Change, Plugin, Refusal
from longboat.scheduler.snapshot import NodeInfo, Snapshot
from longboat.scheduler.volume_binder import VolumeBinder
from longboat.scheduler.volumes import ClaimKey, Intent, Volumes

NO_MATCH = Refusal("node(s) didn't find available persistent volumes to bind", final=True)
ELSEWHERE = Refusal("node(s) didn't match PersistentVolume's node affinity", final=True)
NO_ROOM = Refusal("node(s) did not have enough free storage", final=True)
NO_VOLUME = Refusal("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)", final=True)
UNBOUND = Refusal("pod has unbound immediate PersistentVolumeClaims", final=True)
IN_TREE_NONE = "kubernetes.io/no-provisioner"


class State(NamedTuple):
    bound: list[Claim]
    waiting: list[Claim]  # smallest first: they leave the larger volumes to the larger claims


class VolumeBinding(Plugin):
    name = "VolumeBinding"
    cures = Change.NODE_ADDED | Change.NODE_LABELS | Change.STORAGE

    def __init__(self, volumes: Volumes, binder: VolumeBinder) -> None:
        self._volumes = volumes
        self._binder = binder

    def prepare(self, pod: PodInfo, snapshot: Snapshot) -> Any:
        return self._state(pod) if pod.claims else SKIP

    def _state(self, pod: PodInfo) -> State | Refusal:
        bound, waiting = [], []
        for use in pod.claims:
            claim = self._volumes.claim(use.key)
            if why := _unusable(pod, use, claim):
                return Refusal(why, final=True)
            assert claim is not None
            if is_bound(claim):
                bound.append(claim)
            elif claim.spec.volumeName or not waits_for_consumer(self._volumes.storage_class(claim)):
                return UNBOUND
            else:
                waiting.append(claim)
        return State(bound, sorted(waiting, key=lambda claim: size(claim.spec.resources.requests).amount))

    def filter(self, pod: PodInfo, node: NodeInfo, state: State) -> Refusal | None:
        assert node.node is not None
        place = Place(node.node.metadata.name, node.node.metadata.labels)
        for claim in state.bound:
            volume = self._volumes.volume(claim.spec.volumeName)
            if volume is None:
                return NO_VOLUME
            if not reaches(volume, place):
                return ELSEWHERE
        intent = self._intent(state, place)
        if intent is None:
            return NO_MATCH
        return None if all(self._has_room(key, place) for key in intent.provision) else NO_ROOM

    def _has_room(self, key: ClaimKey, place: Place) -> bool:
        claim = self._volumes.claim(key)
        found = self._volumes.storage_class(claim) if claim is not None else None
        return claim is None or found is None or self._volumes.has_room(claim, found, place.labels)

    def _intent(self, state: State, place: Place) -> Intent | None:
        """What would become of the waiting claims here; None where they cannot all be served."""
        bind: dict[ClaimKey, Any] = {}
        provision: list[ClaimKey] = []
        for claim in state.waiting:
            key = (claim.metadata.namespace, claim.metadata.name)
            chosen = self._volumes.selected_node(claim)
            if chosen and chosen != place.name:
                return None
            taken = self._volumes.taken(key) | {volume.metadata.name for volume in bind.values()}
            volume = self._volumes.meant_for(key)
            if volume is not None and not reaches(volume, place):
                return None
            if volume is None and not chosen:
                volume = match(claim, self._volumes.candidates(claim), place=place, delayed=True, taken=taken)
            if volume is not None:
                bind[key] = volume
            elif self._can_provision(claim, place):
                provision.append(key)
            else:
                return None
        return Intent(place.name, bind, tuple(provision))

    def _can_provision(self, claim: Claim, place: Place) -> bool:
        found = self._volumes.storage_class(claim)
        if not claim_class(claim) or found is None or found.provisioner in ("", IN_TREE_NONE):
            return False
        if self._volumes.is_local(found.provisioner) and not self._volumes.has_driver(place.name, found.provisioner):
            return False
        return _allows(found, place)

    def reserve(self, pod: PodInfo, node: NodeInfo) -> None:
        state = self._state(pod)
        if isinstance(state, State) and state.waiting and node.node is not None:
            meta = node.node.metadata
            if (intent := self._intent(state, Place(meta.name, meta.labels))) is not None:
                self._volumes.intend(pod.uid, intent)

    def unreserve(self, pod: PodInfo) -> None:
        self._volumes.forget(pod.uid)
        self._binder.wake()

    def has_to_prepare(self, pod: PodInfo) -> bool:
        return self._volumes.intent(pod.uid) is not None

    async def pre_bind(self, pod: PodInfo, node: str) -> None:
        await self._binder.bind(pod, node)


def _unusable(pod: PodInfo, use: ClaimUse, claim: Claim | None) -> str:
    """Why the pod cannot use the claim wherever it goes; empty if it can."""
    if claim is None:
        if use.ephemeral:
            return f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{use.name}"'
        return f'persistentvolumeclaim "{use.name}" not found'
    if claim.status.phase == "Lost":
        return f'persistentvolumeclaim "{use.name}" bound to non-existent persistentvolume "{claim.spec.volumeName}"'
    if claim.metadata.deletionTimestamp is not None:
        return f'persistentvolumeclaim "{use.name}" is being deleted'
    owner = controller_of(claim.metadata)
    if use.ephemeral and (owner is None or owner.uid != pod.uid):
        meta = pod.pod.metadata
        who = f"{meta.namespace}/{meta.name}"
        return f"PVC {use.namespace}/{use.name} was not created for pod {who} (pod is not owner)"
    return ""


def _allows(found: StorageClass, place: Place) -> bool:
    """Whether a class makes volumes for this node."""
    return not found.allowedTopologies or any(
        all(place.labels.get(r.key) in r.values for r in term.matchLabelExpressions) for term in found.allowedTopologies
    )
