"""Our controllers act for the drivers that their administrator has given to them, and for no other."""

from __future__ import annotations

import pytest

from integration.volumes.driver import Driver, add_driver_node, describe, give
from integration.volumes.objects import claim, phases, storage_class, told, using
from longboat.api import kinds
from longboat.api.storage import LOCAL_DRIVER
from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.controllers.volumes.csi.calls import RpcError
from longboat.controllers.volumes.csi.drivers import Drivers
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

NAME = "disk.example.com"
ATTACHES = ("CREATE_DELETE_VOLUME", "PUBLISH_UNPUBLISH_VOLUME", "EXPAND_VOLUME")


def by_a_sidecar(uid: str) -> Object:
    """The volume that external-provisioner makes for the claim `data`."""
    csi = {"driver": NAME, "volumeHandle": "theirs"}
    about = {"name": f"pvc-{uid}", "annotations": {"pv.kubernetes.io/provisioned-by": NAME}}
    ref = {"kind": "PersistentVolumeClaim", "namespace": "default", "name": "data", "uid": uid, "apiVersion": "v1"}
    spec = {
        "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "storageClassName": "theirs", "csi": csi,
        "claimRef": ref, "persistentVolumeReclaimPolicy": "Delete",
    }  # fmt: skip
    return {"kind": "PersistentVolume", "apiVersion": "v1", "metadata": about, "spec": spec}


async def ask(cluster: Cluster, size: str) -> None:
    await cluster.patch("pvc/data", {"spec": {"resources": {"requests": {"storage": size}}}})
    await cluster.settle()


@pytest.mark.parametrize("scope", [None, "", "Cluster", "nodes"])
async def test_what_merely_answers_is_left_to_its_sidecars(cluster: Cluster, scope: str | None) -> None:
    """Its controller service is on the node's socket, as hostpath's, NFS', SMB's and LVM's are; and the node lists it,
    as a node that was taken over would."""
    driver = Driver(NAME, *ATTACHES)
    driver.plug_into(cluster)
    await describe(cluster, NAME, scope)
    await add_driver_node(cluster, "a", NAME, topologyKeys=[])
    made = storage_class("theirs", NAME, allowVolumeExpansion=True)
    await cluster.apply(made, claim(storage_class="theirs"))
    await cluster.clock.advance(60)
    (said,) = set(await told(cluster, "ExternalProvisioning"))
    assert said.startswith(f"Waiting for a volume to be created either by the external provisioner '{NAME}' or ")
    uid = (await cluster.get("pvc/data"))["metadata"]["uid"]
    await cluster.apply(by_a_sidecar(uid), using("p", "data", nodeName="a"))
    await cluster.settle()
    name = f"pvc-{uid}"
    assert await phases(cluster, "data", name) == ("Bound", "Bound")
    (attachment,) = await cluster.list("volumeattachments")
    assert attachment["spec"]["attacher"] == NAME and not attachment.get("status", {}).get("attached")
    await ask(cluster, "2Gi")
    await cluster.client.delete(kinds.POD, Key("default", "p"), grace=0)
    await cluster.delete("pvc/data")
    await cluster.clock.advance(600)
    left = await cluster.get(f"pv/{name}")
    assert left["status"]["phase"] == "Released" and left["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]
    assert not driver.calls


async def test_volumes_of_before_are_served_once_their_driver_is_given_to_us(cluster: Cluster) -> None:
    """Before, we acted for whatever answered on a node's socket: its volumes are there, bound and attached."""
    driver = Driver(NAME, *ATTACHES)
    driver.plug_into(cluster)
    await add_driver_node(cluster, "a", NAME, topologyKeys=[])
    made = storage_class("disk", NAME, allowVolumeExpansion=True)
    await cluster.apply(made, claim(storage_class="disk"), using("p", "data", nodeName="a"))
    await cluster.settle()
    assert len(driver.volumes) == len(driver.attached) == 1
    (volume,) = await cluster.list("pv")

    await give(cluster, NAME, None)
    await ask(cluster, "2Gi")
    await cluster.client.delete(kinds.POD, Key("default", "p"), grace=0)
    await cluster.apply(claim("more", storage_class="disk"))
    await cluster.clock.advance(600)
    assert not driver.made("ControllerExpandVolume") and len(driver.attached) == 1 and len(driver.volumes) == 1
    assert (await cluster.get("pvc/more"))["status"]["phase"] == "Pending"

    await give(cluster, NAME, "cluster")
    assert driver.made("ControllerExpandVolume") and not driver.attached and len(driver.volumes) == 2
    assert (await cluster.get("pvc/more"))["status"]["phase"] == "Bound"

    # What was to go meanwhile goes: also a volume that only our finalizer holds.
    await give(cluster, NAME, None)
    await cluster.delete("pvc/data")
    await cluster.delete("pvc/more")
    await cluster.delete(f"pv/{volume['metadata']['name']}")
    await cluster.clock.advance(600)
    assert len(driver.volumes) == 2 and len(await cluster.list("pv")) == 2
    await give(cluster, NAME, "cluster")
    assert not driver.volumes and not await cluster.list("pv")
    assert len(driver.made("CreateVolume")) == len(driver.made("DeleteVolume")) == 2


async def test_a_driver_that_is_taken_back_is_called_nowhere(cluster: Cluster) -> None:
    """Also in the middle of things: a local one was else called elsewhere, where deleting what is unknown succeeds."""
    await add_driver_node(cluster, "a")
    informers = Informers(cluster.client, cluster.clock)
    found = Drivers(cluster.client, informers, cluster.clock)
    informers.start()
    await informers.synced()
    try:
        assert found.serves(LOCAL_DRIVER) and found.route(LOCAL_DRIVER, node="a") == "a"
        await give(cluster, LOCAL_DRIVER, None)
        assert not found.serves(LOCAL_DRIVER)
        with pytest.raises(RpcError, match=r"driver local\.longboat\.dev is not ours to call any more"):
            found.route(LOCAL_DRIVER)
    finally:
        await informers.close()
