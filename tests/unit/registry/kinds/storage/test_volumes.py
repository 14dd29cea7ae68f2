"""What is said of volumes, claims, classes and drivers that are not right (upstream's validation, word by word)."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.machinery.fieldpath import Errors
from unit.registry.kinds.checks import BY_RESOURCE, cells, changed, said, said_of_update

META = {"name": "x", "namespace": "default"}
PV = "persistentvolumes"
PVC = "persistentvolumeclaims"
SC = "storageclasses.storage.k8s.io"
DRIVER = "csidrivers.storage.k8s.io"
NODE = "csinodes.storage.k8s.io"
ATTACHMENT = "volumeattachments.storage.k8s.io"
WHOLE: dict[str, dict[str, Any]] = {
    PV: {
        "metadata": META,
        "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "csi": {"driver": "disk.example.com", "volumeHandle": "1"},
        },
    },
    PVC: {
        "metadata": META,
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    },
    SC: {"metadata": META, "provisioner": "disk.example.com"},
    DRIVER: {"metadata": META, "spec": {}},
    NODE: {"metadata": META, "spec": {"drivers": [{"name": "disk.example.com", "nodeID": "n"}]}},
    ATTACHMENT: {
        "metadata": META,
        "spec": {"attacher": "disk.example.com", "nodeName": "n", "source": {"persistentVolumeName": "v"}},
    },
}  # fmt: skip
AFFINITY = {"required": {"nodeSelectorTerms": [{"matchExpressions": [
    {"key": "failure-domain.beta.kubernetes.io/zone", "operator": "In", "values": ["z"]}]}]}}  # fmt: skip
DNS = ("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
       "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
       "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')")  # fmt: skip

REFUSED: list[tuple[str, dict[str, Any], list[str]]] = [
    (PV, {}, []),
    (PV, {"spec__accessModes": []}, ["spec.accessModes: Required value"]),
    (PV, {"spec__accessModes": ["ReadWriteOncePod", "ReadOnlyMany"]}, [
        "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"]),
    (PV, {"spec__capacity": {"storage": "0"}}, [
        'spec.capacity[storage]: Invalid value: "0": must be greater than zero']),
    (PV, {"spec__persistentVolumeReclaimPolicy": "Keep"}, [
        'spec.persistentVolumeReclaimPolicy: Unsupported value: "Keep": supported values: "Delete", "Recycle", '
        '"Retain"']),
    (PV, {"spec__csi": None}, ["spec: Required value: must specify a volume type"]),
    (PV, {"spec__nfs": {"server": "s", "path": "/p"}}, [
        "spec.csi: Forbidden: may not specify more than 1 volume type"]),
    (PV, {"spec__csi__volumeHandle": None}, ["spec.csi.volumeHandle: Required value"]),
    (PV, {"spec__csi__driver": "a" * 64}, ["spec.csi.driver: Too long: may not be more than 63 bytes"]),
    (PV, {"spec__csi__driver": "a_b"}, [f'spec.csi.driver: Invalid value: "a_b": {DNS}']),
    (PV, {"spec__csi__nodePublishSecretRef": {"name": "s"}}, [
        "spec.csi.nodePublishSecretRef.namespace: Required value"]),
    (PV, {"spec__csi__nodeStageSecretRef": {"name": "s"}}, []),  # upstream does not look at this one
    (PV, {"spec__csi": None, "spec__local": {"path": "/mnt"}}, [
        "spec.nodeAffinity: Required value: Local volume requires node affinity"]),
    (PV, {"spec__csi": None, "spec__local": {"path": "/a/../b"}, "spec__nodeAffinity": AFFINITY}, [
        'spec.local.path: Invalid value: "/a/../b": must not contain \'..\'']),
    (PV, {"spec__nodeAffinity": {}}, [
        "spec.nodeAffinity.required: Required value: must specify required node constraints"]),
    (PV, {"spec__csi": None, "spec__hostPath": {"path": "/."}, "spec__persistentVolumeReclaimPolicy": "Recycle"}, [
        "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"]),
    (PV, {"spec__volumeAttributesClassName": ""}, [
        "spec.volumeAttributesClassName: Required value: an empty string is disallowed"]),
    (PVC, {}, []),
    (PVC, {"spec__accessModes": []}, ["spec.accessModes: Required value: at least 1 access mode is required"]),
    (PVC, {"spec__resources": None}, ["spec.resources[storage]: Required value"]),
    (PVC, {"spec__resources__requests__storage": "-1"}, [
        'spec.resources[storage]: Invalid value: "-1": must be greater than zero']),
    (PVC, {"spec__storageClassName": "A"}, [f'spec.storageClassName: Invalid value: "A": {DNS}']),
    (PVC, {"spec__dataSource": {"name": "s", "kind": "VolumeSnapshot"}}, []),  # is dropped
    (PVC, {"spec__dataSourceRef": {"name": "s", "kind": "VolumeSnapshot"}}, [
        f'spec.{field}: Invalid value: "VolumeSnapshot": must be \'PersistentVolumeClaim\' when referencing the '
        "default apiGroup" for field in ("dataSource", "dataSourceRef")]),
    (PVC, {"spec__dataSource": {"name": "a", "kind": "PersistentVolumeClaim"},
           "spec__dataSourceRef": {"name": "b", "kind": "PersistentVolumeClaim"}}, [
        'spec: Invalid value: {}: must match dataSourceRef']),
    (SC, {}, []),
    (SC, {"provisioner": ""}, ["provisioner: Required value"]),
    (SC, {"volumeBindingMode": "Never"}, [
        'volumeBindingMode: Unsupported value: "Never": supported values: "Immediate", "WaitForFirstConsumer"']),
    (SC, {"parameters": {"": "x"}}, ['parameters: Invalid value: "": field can not be empty.']),
    (SC, {"parameters": {str(i): "" for i in range(513)}}, ["parameters: Too long: may not be more than 512 bytes"]),
    (SC, {"allowedTopologies": [{"matchLabelExpressions": [{"key": "k", "values": ["a", "a"]}, {"key": "k"}]}]}, [
        'allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "a"',
        "allowedTopologies[0].matchLabelExpressions[1].values: Required value",
        'allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: "k"']),
    (DRIVER, {}, []),
    (DRIVER, {"spec__fsGroupPolicy": "Sometimes"}, [
        'spec.fsGroupPolicy: Unsupported value: "Sometimes": supported values: "File", "None", '
        '"ReadWriteOnceWithFSType"']),
    (DRIVER, {"spec__tokenRequests": [{"audience": "a"}, {"audience": "a"}, {"expirationSeconds": 5}]}, [
        'spec.tokenRequests[1].audience: Duplicate value: "a"',
        "spec.tokenRequests[2].expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes"]),
    (DRIVER, {"spec__volumeLifecycleModes": ["Once"]}, [
        'spec.volumeLifecycleModes: Unsupported value: "Once": supported values: "Persistent", "Ephemeral"']),
    (NODE, {}, []),
    (NODE, {"spec__drivers__0__nodeID": ""}, ["spec.drivers[0].nodeID: Required value"]),
    (NODE, {"spec__drivers__0__allocatable": {"count": -1}}, [
        "spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0"]),
    (NODE, {"spec__drivers": [{"name": "a", "nodeID": "n"}, {"name": "a", "nodeID": "n"}]}, [
        'spec.drivers[1].name: Duplicate value: "a"']),
    (ATTACHMENT, {}, []),
    (ATTACHMENT, {"spec__source": {}}, [
        "spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName"]),
    (ATTACHMENT, {"spec__nodeName": "A"}, [f'spec.nodeName: Invalid value: "A": {DNS}']),
    ("volumeattributesclasses.storage.k8s.io", {"driverName": "d"}, [
        "parameters: Required value: must contain at least one key/value pair"]),
    ("csistoragecapacities.storage.k8s.io", {"storageClassName": "s", "capacity": "-1"}, [
        'capacity: Invalid value: "-1": must be greater than or equal to 0']),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "changes", "expected"), REFUSED)
def test_what_is_refused(resource: str, changes: dict[str, Any], expected: list[str]) -> None:
    whole = WHOLE.get(resource, {"metadata": META})
    assert said(BY_RESOURCE[resource], changed(whole, **changes)) == expected


IMMUTABLE = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
UPDATES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    (PV, {}, {"spec__csi__volumeHandle": "2"},
     "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation"),
    (PV, {}, {"spec__csi__controllerExpandSecretRef": {"name": "s", "namespace": "n"}}, ""),
    (PV, {}, {"spec__volumeMode": "Block"}, 'volumeMode: Invalid value: "Block": field is immutable'),
    (PV, {}, {"spec__nodeAffinity": AFFINITY}, ""),
    (PV, {"spec__nodeAffinity": AFFINITY}, {}, "nodeAffinity: Invalid value: null: field is immutable, except for"),
    (PV, {}, {"spec__capacity__storage": "9Gi", "spec__persistentVolumeReclaimPolicy": "Delete"}, ""),
    (PVC, {}, {"spec__volumeName": "v"}, ""),
    (PVC, {"spec__volumeName": "v"}, {"spec__volumeName": "w"}, f"spec: Forbidden: {IMMUTABLE}"),
    (PVC, {}, {"spec__storageClassName": "s"}, ""),
    (PVC, {"spec__storageClassName": "s"}, {"spec__storageClassName": "t"}, f"spec: Forbidden: {IMMUTABLE}"),
    (PVC, {}, {"spec__resources__requests__storage": "2Gi"}, f"spec: Forbidden: {IMMUTABLE}"),
    (PVC, {}, {"spec__volumeAttributesClassName": "a"}, f"spec: Forbidden: {IMMUTABLE}"),
    (SC, {}, {"parameters": {"a": "b"}}, "parameters: Invalid value: "),
    (SC, {}, {"allowVolumeExpansion": True}, ""),
    (DRIVER, {}, {"spec__attachRequired": False}, (
        "spec.attachedRequired: Invalid value: false: field is immutable")),
    (NODE, {}, {"spec__drivers__0__nodeID": "m"}, "spec.drivers: Invalid value"),
    (NODE, {}, {"spec__drivers__0__allocatable": {"count": 5}}, ""),
    (ATTACHMENT, {}, {"spec__nodeName": "m"}, "spec: Invalid value"),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "before", "after", "expected"), UPDATES)
def test_what_may_change(resource: str, before: dict[str, Any], after: dict[str, Any], expected: str) -> None:
    whole = WHOLE[resource]
    found = said_of_update(BY_RESOURCE[resource], changed(whole, **before), changed(whole, **after))
    if expected:
        assert any(each.startswith(expected) for each in found), found
    else:
        assert found == []


def test_labels_may_get_their_present_names() -> None:
    old = changed(WHOLE[PV], spec__nodeAffinity=AFFINITY)
    key = "spec__nodeAffinity__required__nodeSelectorTerms__0__matchExpressions__0__key"
    new = changed(old, **{key: "topology.kubernetes.io/zone"})
    assert said_of_update(BY_RESOURCE[PV], old, new) == []
    assert said_of_update(BY_RESOURCE[PV], new, old) != []


@pytest.mark.parametrize(
    ("asked", "problem"),
    [("3Gi", ""), ("1500Mi", ""), ("1Gi", "spec.resources.requests.storage: Forbidden: field can not be less than")],
)
def test_a_bound_claim_may_ask_for_less_than_it_asked_for_but_not_than_it_has(asked: str, problem: str) -> None:
    strategy = BY_RESOURCE[PVC]
    bound = {"phase": "Bound", "capacity": {"storage": "1Gi"}}
    old = changed(WHOLE[PVC], spec__resources__requests__storage="2Gi", status=bound)
    new = changed(old, spec__resources__requests__storage=asked)
    err = Errors()
    for obj in (old, new):
        strategy.default(obj)
    strategy.validate_update(new, old, err)
    assert "".join(str(cause) for cause in err).startswith(problem)
    assert bool(err) == bool(problem)


def test_columns() -> None:
    claim = {"namespace": "ns", "name": "c"}
    volume = changed(WHOLE[PV], spec__claimRef=claim, status={"phase": "Bound"}, spec__storageClassName="s")
    BY_RESOURCE[PV].default(volume)
    row = cells(BY_RESOURCE[PV], volume)
    names = ("Capacity", "Access Modes", "Reclaim Policy", "Status", "Claim", "StorageClass")
    assert [row[name] for name in names] == ["1Gi", "RWO", "Retain", "Bound", "ns/c", "s"]
    assert (row["VolumeAttributesClass"], row["VolumeMode"]) == ("<unset>", "Filesystem")
    fresh = changed(WHOLE[PVC], status={"phase": "Pending"})
    row = cells(BY_RESOURCE[PVC], fresh)
    assert [row[name] for name in ("Status", "Volume", "Capacity", "Access Modes")] == ["Pending", "", "", ""]
    default = {**META, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
    storage_class = changed(WHOLE[SC], metadata=default)
    BY_RESOURCE[SC].default(storage_class)
    row = cells(BY_RESOURCE[SC], storage_class)
    assert [row[n] for n in ("Name", "ReclaimPolicy", "VolumeBindingMode", "AllowVolumeExpansion")] == [
        "x (default)", "Delete", "Immediate", False,
    ]  # fmt: skip
