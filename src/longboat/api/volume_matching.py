"""Which volume for which claim: what the binder and the scheduler agree on (core/v1 PersistentVolumeClaim)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from longboat.api.affinity import selector_matches
from longboat.api.storage import BIND_COMPLETED, Claim, Volume, claim_class, size, volume_class
from longboat.machinery import selectors


class Place(NamedTuple):
    """A node, as far as volumes care where they are."""

    name: str
    labels: Mapping[str, str]


def belongs_to(volume: Volume, claim: Claim) -> bool:
    """Whether the volume is bound to this claim, or reserved for one of its name."""
    ref = volume.spec.claimRef
    if ref is None or (ref.namespace, ref.name) != (claim.metadata.namespace, claim.metadata.name):
        return False
    return ref.uid in ("", claim.metadata.uid)


def free_class(volume: Volume) -> tuple[str, ...]:
    """An index: volumes that nobody has a claim to, by class."""
    return (volume_class(volume),) if volume.spec.claimRef is None else ()


def holder(volume: Volume) -> tuple[tuple[str, str], ...]:
    """An index: volumes by the namespace and name of the claim they are bound to or reserved for."""
    ref = volume.spec.claimRef
    return ((ref.namespace, ref.name),) if ref is not None else ()


def is_bound(claim: Claim) -> bool:
    """Whether binding is done: the claim names a volume and the binder has confirmed it."""
    return bool(claim.spec.volumeName) and BIND_COMPLETED in claim.metadata.annotations


def reaches(volume: Volume, place: Place) -> bool:
    """Whether the volume can be used on this node."""
    affinity = volume.spec.nodeAffinity
    if affinity is None or affinity.required is None:
        return True
    return selector_matches(affinity.required, place.labels, place.name)


def modes_suffice(volume: Volume, claim: Claim) -> bool:
    return set(claim.spec.accessModes) <= set(volume.spec.accessModes)


def misfit(volume: Volume, claim: Claim) -> str:
    """Why a volume that the claim asks for by name will not do; empty if it will."""
    if size(volume.spec.capacity) < size(claim.spec.resources.requests):
        return "requested PV is too small"
    if volume_class(volume) != claim_class(claim):
        return "storageClassName does not match"
    if (volume.spec.volumeAttributesClassName or "") != (claim.spec.volumeAttributesClassName or ""):
        return "volumeAttributesClassName does not match"
    if volume.spec.volumeMode != claim.spec.volumeMode:
        return "incompatible volumeMode"
    if not modes_suffice(volume, claim):
        return "incompatible accessMode"
    return ""


def match(
    claim: Claim,
    volumes: Iterable[Volume],
    *,
    place: Place | None = None,
    delayed: bool = False,
    taken: Iterable[str] = (),
) -> Volume | None:
    """The best volume for a claim: one reserved for it, else the smallest that fits, with the fewest access modes.

    `place` limits the choice to what can be used on that node. A `delayed` claim without a place (its class waits
    for the first consumer, and no node is chosen yet) gets only what is reserved for it. `taken` are names of volumes
    meant for other claims already.
    """
    candidates: list[Volume] = []
    selector = selectors.from_api(claim.spec.selector) if claim.spec.selector is not None else None
    excluded, wanted = frozenset(taken), claim_class(claim)
    for volume in volumes:
        if volume.metadata.name in excluded or not _shaped(volume, claim):
            continue
        fits_place = place is None or reaches(volume, place)
        if volume.spec.claimRef is not None:
            if belongs_to(volume, claim):
                return volume if fits_place else None
            continue
        if delayed and place is None:
            continue
        if volume.status.phase != "Available" or not fits_place or volume_class(volume) != wanted:
            continue
        if selector is not None and not selector.matches(volume.metadata.labels):
            continue
        candidates.append(volume)
    return min(candidates, key=_preference, default=None)


def _shaped(volume: Volume, claim: Claim) -> bool:
    """Whether size, modes and state allow it at all, whoever the volume is reserved for."""
    if volume.metadata.deletionTimestamp is not None:
        return False
    spec, asked = volume.spec, claim.spec
    if spec.volumeMode != asked.volumeMode or not modes_suffice(volume, claim):
        return False
    if (spec.volumeAttributesClassName or "") != (asked.volumeAttributesClassName or ""):
        return False
    return size(spec.capacity) >= size(asked.resources.requests)


def _preference(volume: Volume) -> tuple[object, ...]:
    return (len(set(volume.spec.accessModes)), size(volume.spec.capacity).amount, volume.metadata.name)
