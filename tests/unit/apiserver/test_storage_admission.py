"""Admission of claims and volumes (upstream's DefaultStorageClass, PersistentVolumeClaimResize and protection)."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.api import kinds
from longboat.apiserver.admission import storage
from longboat.apiserver.bootstrap_storage import storage_objects
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.registry.admission import Attributes
from unit.apiserver.writes import attributes

DEFAULT = "storageclass.kubernetes.io/is-default-class"
CLAIM = kinds.PERSISTENT_VOLUME_CLAIM


def storage_class(name: str, created: str = "2026-01-01T00:00:00Z", default: str = "true", **fields: Any) -> Object:
    return {"metadata": {"name": name, "creationTimestamp": created, "annotations": {DEFAULT: default}}, **fields}


def claim(size: str = "1Gi", phase: str = "Bound", notes: Any = (), **spec: Any) -> Object:
    return {
        "metadata": {"name": "c", "annotations": dict(notes)},
        "spec": {"resources": {"requests": {"storage": size}}, **spec},
        "status": {"phase": phase},
    }


def creation(obj: Object, kind: Kind = CLAIM) -> Attributes:
    return attributes("CREATE", kind, "ns", "c", obj)


@pytest.mark.parametrize(
    ("asks", "classes", "gets"),
    [
        (claim(), [storage_class("a")], "a"),
        (claim(), [storage_class("a", default="false")], None),
        (claim(), [storage_class("old"), storage_class("new", "2026-01-02T00:00:00Z")], "new"),
        (claim(), [storage_class("b"), storage_class("a")], "a"),
        (claim(storageClassName=""), [storage_class("a")], ""),
        (claim(storageClassName="mine"), [storage_class("a")], "mine"),
        (claim(notes={"volume.beta.kubernetes.io/storage-class": "mine"}), [storage_class("a")], None),
    ],
)
def test_the_default_class(asks: Object, classes: list[Object], gets: str | None) -> None:
    storage.DefaultStorageClass(lambda: classes).mutate(creation(asks))
    assert asks["spec"].get("storageClassName") == gets


def test_claims_and_volumes_are_born_protected() -> None:
    plugin, volume = storage.StorageObjectInUseProtection(), {"metadata": {"name": "v", "finalizers": ["mine"]}}
    plugin.mutate(creation(volume, kinds.PERSISTENT_VOLUME))
    plugin.mutate(creation(volume, kinds.PERSISTENT_VOLUME))
    assert volume["metadata"]["finalizers"] == ["mine", "kubernetes.io/pv-protection"]
    assert not plugin.handles(creation({}, kinds.POD).target)


@pytest.mark.parametrize(
    ("new", "old", "grows", "why"),
    [
        (claim("2Gi", storageClassName="s"), claim(storageClassName="s"), True, ""),
        (claim("2Gi", storageClassName="s"), claim(storageClassName="s"), False, storage.NO_EXPANSION),
        (claim("2Gi"), claim(), True, storage.NO_EXPANSION),
        (claim("2Gi", storageClassName="s"), claim(storageClassName="s", phase="Pending"), True, storage.NOT_BOUND),
        (claim("1Gi", phase="Pending"), claim("1Gi", phase="Pending"), False, ""),
    ],
)
def test_which_claims_may_grow(new: Object, old: Object, grows: bool, why: str) -> None:
    plugin = storage.PersistentVolumeClaimResize(lambda *_: storage_class("s", allowVolumeExpansion=grows))
    write = attributes("UPDATE", CLAIM, "ns", "c", new, old)
    if not why:
        plugin.validate(write)
        return
    with pytest.raises(StatusError) as refused:
        plugin.validate(write)
    assert refused.value.message == f'persistentvolumeclaims "c" is forbidden: {why}'


def test_the_built_in_class_is_the_default_unless_another_is() -> None:
    (_, standard), (_, driver) = storage_objects([])
    assert standard["metadata"] == {"name": "standard", "annotations": {DEFAULT: "true"}}
    assert (standard["provisioner"], standard["volumeBindingMode"]) == ("local.longboat.dev", "WaitForFirstConsumer")
    assert driver["metadata"]["name"] == standard["provisioner"]
    (_, second), _ = storage_objects([storage_class("theirs")])
    assert second["metadata"]["annotations"] == {}
