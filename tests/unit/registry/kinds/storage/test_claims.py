"""What a claim that has its volume may become, and what its status may say."""

from __future__ import annotations

import copy

import pytest
from tests.unit.registry.kinds.checks import BY_RESOURCE, CTX, Thing, changed, made

from longboat.machinery.fieldpath import Errors

STRATEGY = BY_RESOURCE["persistentvolumeclaims"]
SPEC: Thing = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}
CLAIM: Thing = {"metadata": {"name": "x", "namespace": "n"}, "spec": SPEC}
NOTE = "volume.beta.kubernetes.io/storage-class"
ATTRIBUTES = "spec.volumeAttributesClassName: Forbidden: update to"
IN_FORCE = "is forbidden when status.currentVolumeAttributesClassName is not nil"


def said(old: Thing, status: Thing, **changes: object) -> list[str]:
    old = made(STRATEGY, old) | {"status": status}
    new, err = changed(old, **changes), Errors()
    STRATEGY.prepare_update(new, old, CTX)
    STRATEGY.validate_update(new, old, err)
    return [str(cause) for cause in err]


BOUND: Thing = {"phase": "Bound", "capacity": {"storage": "1Gi"}}


@pytest.mark.parametrize(
    ("status", "changes", "expected"),
    [
        (BOUND, {"spec__resources__requests__storage": "3Gi"}, []),
        (BOUND, {"spec__resources__requests__storage": "1500Mi"}, []),  # growing that failed is given up
        (BOUND, {"spec__resources__requests__storage": "1Gi"}, [
            "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"]),
        (BOUND, {"spec__volumeAttributesClassName": "c"}, []),
        (BOUND, {"spec__volumeAttributesClassName": None}, []),
        (BOUND | {"currentVolumeAttributesClassName": "b"}, {"spec__volumeAttributesClassName": "c"}, []),
        (BOUND | {"currentVolumeAttributesClassName": "b"}, {"spec__volumeAttributesClassName": None}, [
            f"{ATTRIBUTES} nil {IN_FORCE}"]),
        (BOUND | {"currentVolumeAttributesClassName": "b"}, {"spec__volumeAttributesClassName": ""}, [
            f"{ATTRIBUTES} empty string {IN_FORCE}"]),
    ],
)  # fmt: skip
def test_a_bound_claim(status: Thing, changes: dict[str, object], expected: list[str]) -> None:
    assert said(changed(CLAIM, spec__volumeAttributesClassName="b"), status, **changes) == expected


def test_the_class_may_move_from_the_annotation_to_the_field_and_nowhere_else() -> None:
    old = changed(CLAIM, metadata__annotations={NOTE: "s"})
    assert said(old, {}, spec__storageClassName="s") == []
    assert said(old, {}, spec__storageClassName="s", metadata__annotations={}) == []
    first, second = said(old, {}, spec__storageClassName="t", metadata__annotations={})
    assert first == f'metadata.annotations.{NOTE}: Invalid value: "": field is immutable'
    assert '- "StorageClassName": null,\n+ "StorageClassName": "t",' in second


def test_sources_that_the_older_name_never_took_stay_where_they_were() -> None:
    odd = {"apiGroup": "example.com", "kind": "Seed", "name": "s"}
    old = made(STRATEGY, CLAIM)
    old["spec"] |= {"dataSource": dict(odd), "dataSourceRef": dict(odd)}
    new = copy.deepcopy(old)
    STRATEGY.prepare_update(new, old, CTX)
    assert new == old
    assert "dataSource" not in made(STRATEGY, changed(CLAIM, spec__dataSource=odd))["spec"]
    found = made(STRATEGY, changed(CLAIM, spec__dataSourceRef=odd))["spec"]
    assert (found.get("dataSource"), found["dataSourceRef"]) == (odd, odd)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"capacity": {"storage": "-1"}}, [
            "status.capacity[storage]: Invalid value: -1: must be a valid resource quantity"]),
        ({"allocatedResources": {"cpu": "1"}}, [
            'status.allocatedResources: Unsupported value: "cpu": supported values: "storage"']),
        ({"allocatedResources": {"example.com/rate": "1"}}, []),
        ({"allocatedResourceStatuses": {"storage": "Soon"}}, [
            'status.allocatedResourceStatuses: Unsupported value: "storage": supported values: '
            '"ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", '
            '"NodeResizeInfeasible", "NodeResizePending"']),
    ],
)  # fmt: skip
def test_status(status: Thing, expected: list[str]) -> None:
    err = Errors()
    STRATEGY.validate_status(CLAIM | {"status": status}, CLAIM, err)
    assert [str(cause) for cause in err] == expected
