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
        ("node-stage", "${pvc.annotations['team']}", "ns", secrets.Ref("ns", "red")),
    ],
)
def test_secrets_by_template(purpose: str, name: str, namespace: str, expected: secrets.Ref) -> None:
    assert secrets.ref(secret(purpose, name, namespace), purpose, ASKS, "pvc-u") == expected


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"csi.storage.k8s.io/provisioner-secret-name": "x"}, "Both must be specified"),
        (secret("provisioner", "${pvc.annotations['team']}"), "invalid tokens"),  # not before there is a volume
        (secret("provisioner", "${nonsense}"), "invalid tokens"),
        (secret("provisioner", "x", "${pvc.name}"), "invalid tokens"),
        (secret("provisioner", "../x"), "is not a valid name"),
    ],
)
def test_secrets_that_make_no_sense(parameters: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        secrets.ref(parameters, "provisioner", ASKS, "pvc-u")


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
