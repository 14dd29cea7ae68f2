"""Carries out what the binder's plan says: writes to claims and volumes, each resting on the version that was read."""

from __future__ import annotations

from collections.abc import Callable

from longboat.api import storage, volume_matching
from longboat.api.storage import Claim, Volume
from longboat.client.events import EventRecorder, reference
from longboat.client.interface import Key
from longboat.client.rest import RestClient
from longboat.controllers.volumes.newest import Newest, key_of
from longboat.controllers.volumes.steps import (
    AskProvisioner,
    AssignClass,
    Bind,
    ClaimPhase,
    Step,
    Tell,
    Unbind,
    VolumePhase,
    Wake,
)
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object

YES = "yes"
BEHIND = 1.0  # seconds to wait where the copy of the claims has turned out to be behind
ASKED = (
    "Waiting for a volume to be created either by the external provisioner '{}' or manually by the system "
    "administrator. If volume creation is delayed, please verify that the provisioner is running and correctly "
    "registered."
)


class Hands:
    """`again` looks at a key after so many seconds."""

    def __init__(
        self,
        client: RestClient,
        events: EventRecorder,
        claims: Newest[Claim],
        volumes: Newest[Volume],
        again: Callable[[Key, float], None],
    ) -> None:
        self._client = client
        self._events = events
        self._claims = claims
        self._volumes = volumes
        self._again = again

    async def perform(self, step: Step) -> None:
        match step:
            case Bind():
                await self._bind(step.claim, step.volume)
            case ClaimPhase():
                await self._claim_phase(step)
            case VolumePhase():
                await self._volume_phase(step)
            case Unbind():
                await self._unbind(step.volume)
            case AskProvisioner():
                await self._ask(step.claim, step.provisioner)
            case AssignClass():
                await self._write_claim(step.claim, {"spec": {"storageClassName": step.storage_class}})
            case Tell():
                self._events.event(step.about, step.note.type, step.note.reason, step.note.message)
            case Wake():
                self._again(key_of(step.claim), 0)

    async def _bind(self, claim: Claim, volume: Volume) -> None:
        """The volume first: whatever breaks in between, it is clear whose it is."""
        volume = await self._point_volume(volume, claim)
        if volume.status.phase != "Bound":
            volume = await self._write_volume(volume, {"status": {"phase": "Bound", "message": None}}, "status")
        claim = await self._point_claim(claim, volume)
        capacity, modes = volume.spec.capacity, volume.spec.accessModes
        becomes_bound = claim.status.phase != "Bound"
        status: Object = {"phase": "Bound"} if becomes_bound else {}
        if becomes_bound and claim.status.capacity != capacity:  # later only growing changes it
            status["capacity"] = capacity
        if claim.status.accessModes != modes:
            status["accessModes"] = modes
        if becomes_bound and volume.spec.volumeAttributesClassName:
            status["currentVolumeAttributesClassName"] = volume.spec.volumeAttributesClassName
        if status:
            await self._write_claim(claim, {"status": status}, "status")

    async def _point_volume(self, volume: Volume, claim: Claim) -> Volume:
        ref = volume.spec.claimRef
        reserved = volume_matching.belongs_to(volume, claim)
        if reserved and ref is not None and ref.uid == claim.metadata.uid:
            return volume
        patch: Object = {"spec": {"claimRef": reference(claim)}}
        if not reserved:
            patch["metadata"] = {"annotations": {storage.BOUND_BY_CONTROLLER: YES}}
        return await self._write_volume(volume, patch)

    async def _point_claim(self, claim: Claim, volume: Volume) -> Claim:
        notes, name = {}, volume.metadata.name
        if claim.spec.volumeName != name:
            notes[storage.BOUND_BY_CONTROLLER] = YES
        if storage.BIND_COMPLETED not in claim.metadata.annotations:
            notes[storage.BIND_COMPLETED] = YES
        if not notes:
            return claim
        return await self._write_claim(claim, {"metadata": {"annotations": notes}, "spec": {"volumeName": name}})

    async def _unbind(self, volume: Volume) -> None:
        if storage.BOUND_BY_CONTROLLER in volume.metadata.annotations:
            patch: Object = {
                "metadata": {"annotations": {storage.BOUND_BY_CONTROLLER: None}}, "spec": {"claimRef": None},
            }  # fmt: skip
        else:
            patch = {"spec": {"claimRef": {"uid": None}}}
        volume = await self._write_volume(volume, patch)
        await self._volume_phase(VolumePhase(volume, "Available"))

    async def _ask(self, claim: Claim, provisioner: str) -> None:
        names = (storage.BETA_STORAGE_PROVISIONER, storage.STORAGE_PROVISIONER)
        if any(claim.metadata.annotations.get(name) != provisioner for name in names):
            notes = {name: provisioner for name in names}
            claim = await self._write_claim(claim, {"metadata": {"annotations": notes}})
        self._events.event(claim, "Normal", "ExternalProvisioning", ASKED.format(provisioner))

    async def _claim_phase(self, step: ClaimPhase) -> None:
        claim = self._claims.newest(step.claim)
        status: Object = {"phase": step.phase} if claim.status.phase != step.phase else {}
        status |= {field: None for field in ("accessModes", "capacity") if getattr(claim.status, field)}
        if not status:
            return
        changed = "phase" in status
        claim = await self._write_claim(claim, {"status": status}, "status")
        if changed and step.note is not None:
            self._events.event(claim, step.note.type, step.note.reason, step.note.message)

    async def _volume_phase(self, step: VolumePhase) -> None:
        volume = self._volumes.newest(step.volume)
        if volume.status.phase == step.phase:
            return
        if step.phase == "Released" and await self._claim_lives(volume):
            self._again(key_of(volume), BEHIND)  # the copy of the claims is behind
            return
        status = {"phase": step.phase, "message": step.message or None}
        volume = await self._write_volume(volume, {"status": status}, "status")
        if step.note is not None:
            self._events.event(volume, step.note.type, step.note.reason, step.note.message)

    async def _claim_lives(self, volume: Volume) -> bool:
        """Asked of the API itself: nothing is let go of on the word of a copy."""
        ref = volume.spec.claimRef
        assert ref is not None
        try:
            claim = await self._client.get(Claim, Key(ref.namespace, ref.name))
        except StatusError as error:
            if error.code == 404:
                return False
            raise
        return claim.metadata.uid == ref.uid and claim.spec.volumeName in ("", volume.metadata.name)

    async def _write_claim(self, claim: Claim, patch: Object, subresource: str = "") -> Claim:
        return self._claims.wrote(Claim, await self._write(claim, patch, subresource))

    async def _write_volume(self, volume: Volume, patch: Object, subresource: str = "") -> Volume:
        return self._volumes.wrote(Volume, await self._write(volume, patch, subresource))

    async def _write(self, obj: Claim | Volume, patch: Object, subresource: str) -> bytes:
        version = obj.metadata.resourceVersion
        whole = {**patch, "metadata": {**patch.get("metadata", {}), "resourceVersion": version}}
        return await self._client.patch(obj.KIND, key_of(obj), whole, subresource=subresource)
