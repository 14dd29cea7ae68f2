"""Has the volumes that a decision rests on bound or made, before the pod is bound to its node."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from longboat.aio.clock import Clock
from longboat.api import kinds, storage
from longboat.api.storage import Claim, Volume
from longboat.api.view import decode, version
from longboat.api.volume_matching import Place, belongs_to, is_bound, reaches
from longboat.client.events import reference
from longboat.client.interface import Client, Key
from longboat.machinery.objects import Object
from longboat.scheduler.info import PodInfo
from longboat.scheduler.plugin import NotReady
from longboat.scheduler.snapshot import Snapshot
from longboat.scheduler.volumes import ClaimKey, Intent, Volumes

LONGEST = 600.0  # seconds (kube-scheduler, VolumeBindingArgs.bindTimeoutSeconds)


class VolumeBinder:
    def __init__(self, volumes: Volumes, snapshot: Snapshot, client: Client, clock: Clock) -> None:
        self.volumes = volumes
        self._snapshot = snapshot
        self._client = client
        self._clock = clock
        self._wakes: set[asyncio.Event] = set()
        volumes.claims.on_change(lambda old, new: self.wake())
        volumes.volumes.on_change(lambda old, new: self.wake())

    def wake(self) -> None:
        """Whoever waits looks again."""
        for event in self._wakes:
            event.set()

    async def bind(self, pod: PodInfo, node: str) -> None:
        """Returns once every claim of the pod is bound. Raises NotReady, StatusError, ConnectionError."""
        intent = self.volumes.intent(pod.uid)
        assert intent is not None
        for key, volume in intent.bind.items():
            await self._point(volume, self._claim(key))
        written = {key: await self._select(self._claim(key), node) for key in intent.provision}
        try:
            async with self._clock.timeout(LONGEST):
                await self._until_bound(pod, intent, written)
        except TimeoutError:
            raise NotReady("binding volumes: timed out waiting for the condition") from None

    def _claim(self, key: ClaimKey) -> Claim:
        claim = self.volumes.claim(key)
        if claim is None:
            raise NotReady(f'binding volumes: persistentvolumeclaim "{key[1]}" not found')
        return claim

    async def _point(self, volume: Volume, claim: Claim) -> None:
        """Reserve the volume for the claim; the controller does the rest."""
        if belongs_to(volume, claim) and volume.spec.claimRef and volume.spec.claimRef.uid:
            return
        patch: Object = {
            "metadata": {"resourceVersion": volume.metadata.resourceVersion},
            "spec": {"claimRef": reference(claim)},
        }
        if not belongs_to(volume, claim):
            patch["metadata"]["annotations"] = {storage.BOUND_BY_CONTROLLER: "yes"}
        await self._client.patch(kinds.PERSISTENT_VOLUME, Key("", volume.metadata.name), patch)

    async def _select(self, claim: Claim, node: str) -> int:
        """Say for which node the claim's volume is to be made. Returns the version in which it says so."""
        if claim.metadata.annotations.get(storage.SELECTED_NODE) == node:
            return version(claim)
        patch = {
            "metadata": {
                "resourceVersion": claim.metadata.resourceVersion, "annotations": {storage.SELECTED_NODE: node},
            }
        }  # fmt: skip
        key = Key(claim.metadata.namespace, claim.metadata.name)
        return version(decode(Claim, await self._client.patch(kinds.PERSISTENT_VOLUME_CLAIM, key, patch)))

    async def _until_bound(self, pod: PodInfo, intent: Intent, written: Mapping[ClaimKey, int]) -> None:
        while True:
            if self.volumes.intent(pod.uid) is not intent:
                raise NotReady("binding volumes: the pod is no longer waiting")
            keys = (*intent.bind, *intent.provision)
            if all(self._is_done(key, intent, written.get(key, 0)) for key in keys):
                return
            await self._change()

    def _is_done(self, key: ClaimKey, intent: Intent, written: int) -> bool:
        """Raises NotReady where it never will be."""
        claim = self._claim(key)
        if version(claim) < written:
            return False  # the copy of the claims is behind
        if not is_bound(claim):
            if claim.metadata.deletionTimestamp is not None:
                raise NotReady(f'binding volumes: persistentvolumeclaim "{key[1]}" is being deleted')
            selected = claim.metadata.annotations.get(storage.SELECTED_NODE, "")
            if key in intent.provision and selected != intent.node:
                raise NotReady(f'binding volumes: provisioning failed for PVC "{key[1]}"')
            return False
        volume, node = self.volumes.volume(claim.spec.volumeName), self._snapshot.node(intent.node)
        if volume is None:
            return False  # the copy of the volumes is behind
        if node is None or node.node is None:
            raise NotReady(f'binding volumes: node "{intent.node}" not found')
        if not reaches(volume, Place(intent.node, node.node.metadata.labels)):
            what = f'pv "{volume.metadata.name}" node affinity doesn\'t match node "{intent.node}"'
            raise NotReady(f"binding volumes: {what}")
        return True

    async def _change(self) -> None:
        event = asyncio.Event()
        self._wakes.add(event)
        try:
            await event.wait()
        finally:
            self._wakes.discard(event)
