from __future__ import annotations

from typing import Any

import pytest

from longboat.machinery.types import check, go_names
from longboat.machinery.types.schema import load
from longboat.machinery.types.wording import Mistake

CORE = "io.k8s.api.core.v1."


@pytest.mark.parametrize(("definition", "value", "expected"), [
    ("ContainerPort", {"protocol": 6}, "number into Go struct field ContainerPort.protocol of type v1.Protocol"),
    ("Capabilities", {"add": "ALL"}, "string into Go struct field Capabilities.add of type []v1.Capability"),
    ("Capabilities", {"add": [True]}, "bool into Go struct field Capabilities.add of type v1.Capability"),
    ("ResourceRequirements", {"limits": []}, "array into Go struct field ResourceRequirements.limits of type "
                                             "v1.ResourceList"),
    ("Volume", {"name": 1}, "number into Go struct field Volume.name of type string"),
    ("Volume", {"csi": {"driver": 1}}, "number into Go struct field CSIVolumeSource.VolumeSource.csi.driver of type "
                                       "string"),
    ("SecretKeySelector", {"name": 1}, "number into Go struct field SecretKeySelector.LocalObjectReference.name of "
                                       "type string"),
    ("PersistentVolumeClaimStatus", {"allocatedResourceStatuses": {"storage": 1}},
     "number into Go struct field PersistentVolumeClaimStatus.allocatedResourceStatuses of type "
     "v1.ClaimResourceStatus"),
    ("PersistentVolumeClaimStatus", {"allocatedResourceStatuses": 1},
     "number into Go struct field PersistentVolumeClaimStatus.allocatedResourceStatuses of type "
     "map[v1.ResourceName]v1.ClaimResourceStatus"),
    ("ObjectReference", {"uid": 1}, "number into Go struct field ObjectReference.uid of type types.UID"),
])  # fmt: skip
def test_what_is_told(definition: str, value: Any, expected: str) -> None:
    with pytest.raises(Mistake, match="cannot unmarshal") as caught:
        check.struct(load().definition(CORE + definition), value)
    assert str(caught.value) == f"json: cannot unmarshal {expected}"


@pytest.mark.parametrize(
    ("extra", "of"), [({"a": "b"}, "string into {} v1.ExtraValue"), ({"a": [1]}, "number into {} string")]
)
def test_a_list_in_a_map(extra: Any, of: str) -> None:
    with pytest.raises(Mistake) as caught:
        check.struct(load().definition("io.k8s.api.authorization.v1.SubjectAccessReviewSpec"), {"extra": extra})
    told = of.format("Go struct field SubjectAccessReviewSpec.extra of type")
    assert str(caught.value) == f"json: cannot unmarshal {told}"


def test_what_is_named_there_is() -> None:
    known: dict[str, set[str]] = {}
    for name, fields in load()._shapes._packed.items():
        group, _, message = go_names._place(name)
        known.setdefault(f"{group}.{message}", set()).update(fields)
    for group, named in go_names.TYPES.items():
        for key in named:
            message, _, field = key.partition(".")
            assert field in known.get(f"{group}.{message}", ()), f"{group}: {key}"
