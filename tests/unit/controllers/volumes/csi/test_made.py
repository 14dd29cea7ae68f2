"""Secrets that classes name, requests to drivers, and the objects for what they make."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from longboat.api.storage import Claim, StorageClass
from longboat.controllers.volumes.csi import made, requests, secrets
from unit.controllers.volumes.storage_objects import claim, volume

ASKS = claim("data", "1Gi", notes={"team": "red"}, uid="u")


def storage_class(parameters: dict[str, str] | None = None, **fields: Any) -> StorageClass:
    whole = {"metadata": {"name": "s"}, "provisioner": "disk.example.com", "parameters": parameters or {}, **fields}
    return msgspec.convert(whole, StorageClass)


def secret(purpose: str, name: str, namespace: str = "ns") -> dict[str, str]:
    prefix = f"csi.storage.k8s.io/{purpose}-secret"
    return {f"{prefix}-name": name, f"{prefix}-namespace": namespace}


@pytest.mark.parametrize(
    ("purpose", "name", "namespace", "expected"),
    [
        ("provisioner", "plain", "ns", secrets.Ref("ns", "plain")),
        ("provisioner", "${pvc.name}-x", "${pvc.namespace}", secrets.Ref("ns", "data-x")),
        ("node-stage", "${pv.name}", "ns", secrets.Ref("ns", "pvc-u")),
        ("provisioner", "${pvc.annotations['team']}", "ns", secrets.Ref("ns", "red")),
    ],
)
def test_secrets_by_template(purpose: str, name: str, namespace: str, expected: secrets.Ref) -> None:
    assert secrets.ref(secret(purpose, name, namespace), purpose, ASKS, "pvc-u") == expected


TEMPLATE = "failed to get name and namespace template from params: "


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"csi.storage.k8s.io/provisioner-secret-name": "x"},
         f"{TEMPLATE}either name and namespace for Provisioner secrets specified, Both must be specified"),
        (secret("provisioner", "x", ""),
         f"{TEMPLATE}Provisioner secrets specified in parameters but value of either namespace or name is empty"),
        ({"csi.storage.k8s.io/secret-name": "x"},
         "failed to get default name and namespace template from params: "
         "either name and namespace for Default secrets specified, Both must be specified"),
        (secret("provisioner", "${pvc.annotations['no']}-${any}"),
         "error resolving value \"${pvc.annotations['no']}-${any}\": "
         "invalid tokens: [\"any\" \"pvc.annotations['no']\"]"),
        (secret("provisioner", "x", "${pvc.name}"),
         'error resolving value "${pvc.name}": invalid tokens: ["pvc.name"]'),
        (secret("provisioner", "../x"), '"../x" is not a valid secret name'),
        (secret("provisioner", "${pvc.name}_"), '"${pvc.name}_" resolved to "data_" which is not a valid secret name'),
        (secret("provisioner", "x", "a.b"), '"a.b" is not a valid namespace name'),
    ],
)  # fmt: skip
def test_secrets_that_make_no_sense(parameters: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError) as caught:
        secrets.ref(parameters, "provisioner", ASKS, "pvc-u")
    assert str(caught.value) == why


def test_one_secret_for_all_purposes_but_those_that_have_their_own() -> None:
    default = {"csi.storage.k8s.io/secret-name": "one", "csi.storage.k8s.io/secret-namespace": "ns"}
    parameters = {**default, **secret("node-stage", "own")}
    assert secrets.ref(parameters, "provisioner", ASKS, "pvc-u") == secrets.Ref("ns", "one")
    assert secrets.ref(parameters, "node-stage", ASKS, "pvc-u") == secrets.Ref("ns", "own")
    assert requests.parameters(storage_class(parameters)) == {}


def test_every_secret_is_checked_before_a_volume_is_made() -> None:
    with pytest.raises(ValueError, match="NodeExpand secrets"):
        secrets.check(secret("node-expand", "x", ""), ASKS, "pvc-u")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [({}, "ext4"), ({"fsType": "xfs"}, "xfs"), ({"csi.storage.k8s.io/fstype": "xfs"}, "xfs"), ({"fstype": ""}, "ext4")],
)
def test_file_systems_that_classes_name(parameters: dict[str, str], expected: str) -> None:
    assert requests.fs_type(storage_class(parameters)) == expected


def test_a_class_names_one_file_system() -> None:
    with pytest.raises(ValueError, match='with both "fstype" and "csi'):
        requests.fs_type(storage_class({"fstype": "ext4", "csi.storage.k8s.io/fstype": "xfs"}))


def test_no_secret_is_none() -> None:
    assert secrets.ref({}, "provisioner", ASKS, "pvc-u") is None


@pytest.mark.parametrize(
    ("modes", "precise", "expected"),
    [
        (["ReadWriteOnce"], False, ["SINGLE_NODE_WRITER"]),
        (["ReadWriteOnce"], True, ["SINGLE_NODE_MULTI_WRITER"]),
        (["ReadWriteOncePod"], False, ["SINGLE_NODE_WRITER"]),
        (["ReadWriteOncePod"], True, ["SINGLE_NODE_SINGLE_WRITER"]),
        (["ReadOnlyMany", "ReadWriteMany"], False, ["MULTI_NODE_READER_ONLY", "MULTI_NODE_MULTI_WRITER"]),
    ],
)
def test_access_modes(modes: list[str], precise: bool, expected: list[str]) -> None:
    found = requests.create(claim(modes=modes), storage_class(), {}, None, precise)["volumeCapabilities"]
    assert [each["accessMode"]["mode"] for each in found] == expected


def test_block_volumes_have_no_file_system() -> None:
    (found,) = requests.create(claim(volumeMode="Block"), storage_class(), {}, None)["volumeCapabilities"]
    assert found["block"] == {}
    assert "mount" not in found


def test_a_volume_is_attached_in_the_widest_of_its_modes() -> None:
    found = requests.of_volume(volume(modes=("ReadOnlyMany", "ReadWriteOnce")))
    assert found["accessMode"] == {"mode": "SINGLE_NODE_WRITER"}


def answer(**more: Any) -> dict[str, Any]:
    return {"volume": {"volumeId": "h", "capacityBytes": str(2 << 30), **more}}


def test_what_was_made_is_written_down() -> None:
    parameters = {**secret("node-stage", "stage"), **secret("provisioner", "prov")}
    asks = claim("data", "1500Mi", uid="u", notes={})
    found = made.persistent_volume(asks, storage_class(parameters, reclaimPolicy="Delete"), answer())
    assert found["metadata"]["name"] == "pvc-u"
    assert found["metadata"]["finalizers"] == [made.FINALIZER]
    assert found["metadata"]["annotations"] == {
        "pv.kubernetes.io/provisioned-by": "disk.example.com",
        "volume.kubernetes.io/provisioner-deletion-secret-name": "prov",
        "volume.kubernetes.io/provisioner-deletion-secret-namespace": "ns",
    }
    spec = found["spec"]
    assert spec["capacity"] == {"storage": "2Gi"}
    assert spec["csi"]["nodeStageSecretRef"] == {"namespace": "ns", "name": "stage"}
    assert (spec["claimRef"]["name"], spec["claimRef"]["uid"]) == ("data", "u")
    assert "nodeAffinity" not in spec


def test_what_shall_be_kept_has_no_finalizer() -> None:
    found = made.persistent_volume(ASKS, storage_class(reclaimPolicy="Retain"), answer())
    assert "finalizers" not in found["metadata"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({}, "the driver named no volume"),
        ({"volume": {"volumeId": "h", "capacityBytes": "5"}}, "created volume capacity 5 less than requested capacity"),
    ],
)
def test_answers_that_make_no_sense(said: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        made.persistent_volume(ASKS, storage_class(), said)


@pytest.mark.parametrize(("size", "expected"), [("5", 5), (5, 5), (None, 0), ("x", 0), ([], 0)])
def test_sizes_in_answers(size: Any, expected: int) -> None:
    assert requests.bytes_of({"capacityBytes": size}) == expected


def test_a_size_nobody_told_is_what_was_asked_for() -> None:
    asked: Claim = claim("data", "1500M", uid="u")
    found = made.persistent_volume(asked, storage_class(), {"volume": {"volumeId": "h"}})
    assert found["spec"]["capacity"] == {"storage": "1500000000"}
