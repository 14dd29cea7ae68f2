"""Admission of claims and volumes: default classes, protection while in use, and which claims may grow."""

from __future__ import annotations

from collections.abc import Callable

from longboat.api import kinds
from longboat.api.storage import (
    ATTRIBUTES_CLASS_PROTECTION,
    BETA_CLASS,
    CLAIM_PROTECTION,
    DEFAULT_CLASS,
    VOLUME_PROTECTION,
)
from longboat.apiserver.admission.chain import Lookup, Plugin
from longboat.machinery import quantity
from longboat.machinery.errors import forbidden
from longboat.machinery.objects import Object, dig, meta
from longboat.registry.admission import Attributes, Target

NOT_BOUND = "Only bound persistent volume claims can be expanded"
NO_EXPANSION = (
    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"
)
PROTECTED = {
    kinds.PERSISTENT_VOLUME_CLAIM: CLAIM_PROTECTION,
    kinds.PERSISTENT_VOLUME: VOLUME_PROTECTION,
    kinds.VOLUME_ATTRIBUTES_CLASS: ATTRIBUTES_CLASS_PROTECTION,
}


def class_of(claim: Object | None) -> str:
    """The class a claim asks for; "" for none."""
    named: str = dig(claim, "spec", "storageClassName", default="")
    return _note(claim, BETA_CLASS) or named


class DefaultStorageClass(Plugin):
    """A claim that names no class, not even the empty one, gets the default: of several the one made last."""

    def __init__(self, classes: Callable[[], list[Object]]) -> None:
        self._classes = classes

    def handles(self, target: Target) -> bool:
        creates = target.operation == "CREATE" and not target.subresource
        return creates and target.kind == kinds.PERSISTENT_VOLUME_CLAIM

    def mutate(self, attributes: Attributes) -> None:
        claim = attributes.obj
        assert claim is not None
        if dig(claim, "spec", "storageClassName") is not None:
            return
        if dig(claim, "metadata", "annotations", BETA_CLASS) is not None:
            return
        if (default := self._default()) is not None:
            claim.setdefault("spec", {})["storageClassName"] = default["metadata"]["name"]

    def _default(self) -> Object | None:
        defaults = [c for c in self._classes() if any(_note(c, note) == "true" for note in DEFAULT_CLASS)]
        by_name = sorted(defaults, key=lambda c: str(c["metadata"]["name"]))
        return max(by_name, key=lambda c: str(c["metadata"].get("creationTimestamp") or ""), default=None)


def _note(obj: Object | None, name: str) -> str:
    found: str = dig(obj, "metadata", "annotations", name, default="")
    return found


class StorageObjectInUseProtection(Plugin):
    """Claims and volumes are born with a finalizer; the protection controllers take it off when nobody uses them."""

    def handles(self, target: Target) -> bool:
        return target.operation == "CREATE" and not target.subresource and target.kind in PROTECTED

    def mutate(self, attributes: Attributes) -> None:
        assert attributes.obj is not None
        metadata, finalizer = meta(attributes.obj), PROTECTED[attributes.kind]
        finalizers = metadata.get("finalizers") or []
        if finalizer not in finalizers:
            metadata["finalizers"] = [*finalizers, finalizer]


class PersistentVolumeClaimResize(Plugin):
    """A bound claim may ask for more, where its class allows it."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def handles(self, target: Target) -> bool:
        updates = target.operation == "UPDATE" and not target.subresource
        return updates and target.kind == kinds.PERSISTENT_VOLUME_CLAIM

    def validate(self, attributes: Attributes) -> None:
        new, old = attributes.obj, attributes.old
        if _asked(new) <= _asked(old):
            return
        if dig(old, "status", "phase") != "Bound":
            raise forbidden(attributes.kind, attributes.name, NOT_BOUND)
        if not self._may_grow(class_of(new), class_of(old)):
            raise forbidden(attributes.kind, attributes.name, NO_EXPANSION)

    def _may_grow(self, now: str, before: str) -> bool:
        found = self._lookup(kinds.STORAGE_CLASS, "", now) if now and now == before else None
        return found is not None and bool(found.get("allowVolumeExpansion"))


def _asked(claim: Object | None) -> quantity.Quantity:
    return quantity.parse(dig(claim, "spec", "resources", "requests", "storage", default="0"))
