"""Volumes made and deleted by a driver that is reached through its nodes."""

from __future__ import annotations

import pytest

from integration.volumes.driver import KEY, Driver, add_driver_node, register
from integration.volumes.objects import claim, storage_class, told
from longboat.api.storage import LOCAL_DRIVER, SELECTED_NODE
from longboat.testing.cluster import Cluster

GIB = 1 << 30


async def provision(cluster: Cluster, driver: Driver, node: str = "a") -> str:
    """A claim of the built-in class, as if the scheduler had chosen the node. Returns the volume's name."""
    driver.plug_into(cluster)
    await add_driver_node(cluster, "a")
    await add_driver_node(cluster, "b")
    wanted = claim(storage_class=None)
    wanted["metadata"]["annotations"] = {SELECTED_NODE: node}
    await cluster.apply(wanted)
    await cluster.settle()
    return f"pvc-{(await cluster.get('pvc/data'))['metadata']['uid']}"


async def test_a_volume_is_made_on_the_selected_node(cluster: Cluster) -> None:
    driver = Driver()
    name = await provision(cluster, driver, "b")
    found, volume = await cluster.get("pvc/data"), await cluster.get(f"pv/{name}")
    assert (found["status"]["phase"], volume["status"]["phase"]) == ("Bound", "Bound")
    assert found["spec"]["volumeName"] == name
    (asked,) = driver.made("CreateVolume")
    place = [{"segments": {KEY: "b"}}]
    assert asked == {
        "name": name,
        "capacityRange": {"requiredBytes": str(GIB)},
        "volumeCapabilities": [{"mount": {"fsType": "ext4"}, "accessMode": {"mode": "SINGLE_NODE_WRITER"}}],
        "parameters": {},
        "accessibilityRequirements": {"requisite": place, "preferred": place},
    }
    assert {node for node, rpc, _ in driver.calls if rpc == "CreateVolume"} == {"b"}
    spec = volume["spec"]
    assert spec["capacity"] == {"storage": "1Gi"}
    assert spec["persistentVolumeReclaimPolicy"] == "Delete"
    assert spec["csi"] == {
        "driver": LOCAL_DRIVER,
        "volumeHandle": f"b/{name}",
        "fsType": "ext4",
        "volumeAttributes": {"made": "here", "storage.kubernetes.io/csiProvisionerIdentity": LOCAL_DRIVER},
    }
    (term,) = spec["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term == {"matchExpressions": [{"key": KEY, "operator": "In", "values": ["b"]}]}
    assert volume["metadata"]["annotations"]["pv.kubernetes.io/provisioned-by"] == LOCAL_DRIVER
    assert await told(cluster, "ProvisioningSucceeded") == [f"Successfully provisioned volume {name}"]


async def test_deleting_the_claim_deletes_volume_and_storage(cluster: Cluster) -> None:
    driver = Driver()
    name = await provision(cluster, driver)
    assert list(driver.volumes) == [f"a/{name}"]
    await cluster.delete("pvc/data")
    await cluster.settle()
    assert not driver.volumes
    assert not await cluster.exists(f"pv/{name}")
    assert [node for node, rpc, _ in driver.calls if rpc == "DeleteVolume"] == ["a"]


async def test_what_shall_be_retained_is_not_deleted(cluster: Cluster) -> None:
    driver = Driver()
    name = await provision(cluster, driver)
    await cluster.patch(f"pv/{name}", {"spec": {"persistentVolumeReclaimPolicy": "Retain"}})
    await cluster.settle()
    await cluster.delete("pvc/data")
    await cluster.settle()
    assert (await cluster.get(f"pv/{name}"))["status"]["phase"] == "Released"
    await cluster.delete(f"pv/{name}")
    await cluster.settle()
    assert not await cluster.exists(f"pv/{name}"), "the object goes"
    assert driver.volumes, "the data stays"


async def test_a_volume_deleted_before_its_claim_leaves_no_storage_behind(cluster: Cluster) -> None:
    driver = Driver()
    name = await provision(cluster, driver)
    await cluster.delete(f"pv/{name}")
    await cluster.settle()
    assert (await cluster.get("pvc/data"))["status"]["phase"] == "Bound"
    assert driver.volumes
    await cluster.delete("pvc/data")
    await cluster.settle()
    assert not await cluster.exists(f"pv/{name}")
    assert not driver.volumes


async def test_a_failure_is_told_and_tried_again(cluster: Cluster) -> None:
    driver = Driver()
    driver.fail["CreateVolume"] = ("INTERNAL", "the disk is on fire")
    name = await provision(cluster, driver)
    what = (
        'failed to provision volume with StorageClass "standard": rpc error: code = Internal desc = the disk is on fire'
    )
    assert await told(cluster, "ProvisioningFailed") == [what]
    assert len(driver.made("CreateVolume")) == 1
    await cluster.clock.advance(10)
    assert 3 <= len(driver.made("CreateVolume")) <= 5, "ever later"
    driver.fail.clear()
    await cluster.clock.advance(10)
    assert (await cluster.get(f"pv/{name}"))["status"]["phase"] == "Bound"


async def test_a_full_node_gives_the_claim_back_to_the_scheduler(cluster: Cluster) -> None:
    driver = Driver()
    driver.fail["CreateVolume"] = ("RESOURCE_EXHAUSTED", "no room")
    await provision(cluster, driver)
    assert SELECTED_NODE not in (await cluster.get("pvc/data"))["metadata"]["annotations"]
    assert len(driver.made("CreateVolume")) == 1


async def test_a_failing_delete_keeps_the_volume(cluster: Cluster) -> None:
    driver = Driver()
    name = await provision(cluster, driver)
    driver.fail["DeleteVolume"] = ("INTERNAL", "busy")
    await cluster.delete("pvc/data")
    await cluster.settle()
    assert (await cluster.get(f"pv/{name}"))["status"]["phase"] == "Released"
    assert await told(cluster, "VolumeFailedDelete") == ["rpc error: code = Internal desc = busy"]
    driver.fail.clear()
    await cluster.clock.advance(10)
    assert not await cluster.exists(f"pv/{name}")


async def test_a_call_without_answer_is_seen_through_when_the_claim_goes(cluster: Cluster) -> None:
    driver = Driver()
    driver.fail["CreateVolume"] = ("UNAVAILABLE", "broken pipe")
    name = await provision(cluster, driver)
    await cluster.delete("pvc/data")
    await cluster.settle()
    driver.fail.clear()
    await cluster.clock.advance(10)
    assert len(driver.made("CreateVolume")) >= 2
    assert not driver.volumes, "made after all, and deleted for want of a claim"
    assert not await cluster.exists(f"pv/{name}")


async def test_a_volume_on_a_lost_node_is_deleted_nowhere_else(cluster: Cluster) -> None:
    driver = Driver()
    name = await provision(cluster, driver)
    await cluster.delete("csinode/a")
    await cluster.delete("pvc/data")
    await cluster.settle()
    assert (await cluster.get(f"pv/{name}"))["status"]["phase"] == "Released"
    assert not driver.made("DeleteVolume")
    await register(cluster, "a")
    await cluster.clock.advance(5)
    assert not await cluster.exists(f"pv/{name}")


async def test_an_immediate_class_with_topologies_and_secrets(cluster: Cluster) -> None:
    driver = Driver("disk.example.com", "CREATE_DELETE_VOLUME", "SINGLE_NODE_MULTI_WRITER")
    driver.plug_into(cluster)
    for name in ("a", "b"):
        await add_driver_node(cluster, name, "disk.example.com")
    secret = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "for-default"}, "stringData": {"k": "pass"}}
    parameters = {
        "tier": "gold",
        "csi.storage.k8s.io/fstype": "xfs",
        "csi.storage.k8s.io/provisioner-secret-name": "for-${pvc.namespace}",
        "csi.storage.k8s.io/provisioner-secret-namespace": "default",
    }
    allowed = [{"matchLabelExpressions": [{"key": KEY, "values": ["b"]}]}]
    made = storage_class(
        "disk", "disk.example.com", parameters=parameters, allowedTopologies=allowed, mountOptions=["noatime"]
    )
    await cluster.apply(secret, made, claim(storage_class="disk"))
    await cluster.settle()
    (asked,) = driver.made("CreateVolume")
    assert asked["secrets"] == {"k": "pass"}
    assert asked["parameters"] == {"tier": "gold"}
    (capability,) = asked["volumeCapabilities"]
    assert capability["mount"] == {"fsType": "xfs", "mountFlags": ["noatime"]}
    assert capability["accessMode"] == {"mode": "SINGLE_NODE_MULTI_WRITER"}
    assert asked["accessibilityRequirements"]["requisite"] == [{"segments": {KEY: "b"}}]
    (volume,) = await cluster.list("pv")
    assert volume["spec"]["mountOptions"] == ["noatime"]
    notes = volume["metadata"]["annotations"]
    assert notes["volume.kubernetes.io/provisioner-deletion-secret-name"] == "for-default"
    await cluster.delete("pvc/data")
    await cluster.settle()
    assert driver.made("DeleteVolume") == [
        {"volumeId": volume["spec"]["csi"]["volumeHandle"], "secrets": {"k": "pass"}}
    ]


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"csi.storage.k8s.io/odd": "x"}, 'found unknown parameter key "csi.storage.k8s.io/odd" with reserved'),
        ({"csi.storage.k8s.io/provisioner-secret-name": "x"}, "Both must be specified"),
        (
            {
                "csi.storage.k8s.io/provisioner-secret-name": "no",
                "csi.storage.k8s.io/provisioner-secret-namespace": "default",
            },
            "error getting secret no in namespace default",
        ),
    ],
)
async def test_a_class_that_makes_no_sense(cluster: Cluster, parameters: dict[str, str], why: str) -> None:
    driver = Driver("disk.example.com")
    driver.plug_into(cluster)
    await add_driver_node(cluster, "a", "disk.example.com")
    await cluster.apply(storage_class("odd", "disk.example.com", parameters=parameters), claim(storage_class="odd"))
    await cluster.settle()
    (said,) = await told(cluster, "ProvisioningFailed")
    assert why in said
    assert not driver.made("CreateVolume")


async def test_a_waiting_claim_without_a_pod_makes_nothing(cluster: Cluster) -> None:
    driver = Driver()
    driver.plug_into(cluster)
    await add_driver_node(cluster, "a")
    await cluster.apply(claim(storage_class=None))
    await cluster.settle()
    assert await told(cluster, "WaitForFirstConsumer") == ["waiting for first consumer to be created before binding"]
    assert not driver.calls


async def test_nothing_is_deleted_while_its_claim_lives(cluster: Cluster) -> None:
    driver = Driver()
    name = await provision(cluster, driver)
    await cluster.patch(f"pv/{name}", {"status": {"phase": "Released"}}, subresource="status")
    await cluster.settle()
    await cluster.clock.advance(60)
    assert not driver.made("DeleteVolume"), "whatever a status says"
    assert (await cluster.get(f"pv/{name}"))["status"]["phase"] == "Bound"
