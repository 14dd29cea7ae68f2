"""Where pods go because of their volumes, and what is said where they cannot go anywhere."""

from __future__ import annotations

from typing import Any

from integration.volumes.driver import Driver, add_driver_node
from integration.volumes.objects import claim, storage_class, told, using, volume
from longboat.api import kinds
from longboat.api.storage import SELECTED_NODE
from longboat.client.interface import Key
from longboat.testing.cluster import Cluster

WAITS = {"volumeBindingMode": "WaitForFirstConsumer"}


def on(*nodes: str) -> dict[str, Any]:
    expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": list(nodes)}
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}


async def node_of(cluster: Cluster, name: str = "p") -> str:
    found: str = (await cluster.get(f"pod/{name}"))["spec"].get("nodeName", "")
    return found


async def why(cluster: Cluster, name: str = "p") -> str:
    conditions = (await cluster.get(f"pod/{name}"))["status"].get("conditions", [])
    return next((c.get("message", "") for c in conditions if c["type"] == "PodScheduled"), "")


async def two_nodes(cluster: Cluster, **more: Any) -> Driver:
    driver = Driver()
    driver.plug_into(cluster)
    for name in ("a", "b"):
        await add_driver_node(cluster, name, **more)
    return driver


async def test_the_first_consumer_decides_where_its_volume_is_made(cluster: Cluster) -> None:
    driver = await two_nodes(cluster)
    await cluster.apply(claim(storage_class=None), using("p", "data", nodeSelector={"kubernetes.io/hostname": "b"}))
    await cluster.settle()
    assert await node_of(cluster) == "b"
    found = await cluster.get("pvc/data")
    assert found["status"]["phase"] == "Bound"
    assert found["metadata"]["annotations"][SELECTED_NODE] == "b"
    assert [node for node, rpc, _ in driver.calls if rpc == "CreateVolume"] == ["b"]


async def test_a_second_pod_follows_the_volume(cluster: Cluster) -> None:
    await two_nodes(cluster)
    await cluster.apply(claim(storage_class=None), using("p", "data"))
    await cluster.settle()
    first = await node_of(cluster)
    other = {"a": "b", "b": "a"}[first]
    await cluster.apply(using("q", "data"), using("r", "data", nodeSelector={"kubernetes.io/hostname": other}))
    await cluster.settle()
    assert await node_of(cluster, "q") == first
    assert await node_of(cluster, "r") == ""
    assert (await why(cluster, "r")).startswith(
        "0/2 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity, "
        "1 node(s) didn't match Pod's node affinity/selector."
    )


async def test_the_binding_waits_for_the_volume(cluster: Cluster) -> None:
    driver = await two_nodes(cluster)
    driver.fail["CreateVolume"] = ("INTERNAL", "not now")
    await cluster.apply(claim(storage_class=None), using("p", "data"))
    await cluster.settle()
    assert await node_of(cluster) == ""
    driver.fail.clear()
    await cluster.clock.advance(30)
    assert await node_of(cluster) != ""


async def test_a_full_node_sends_the_pod_back_to_the_queue(cluster: Cluster) -> None:
    driver = await two_nodes(cluster)
    driver.fail["CreateVolume"] = ("RESOURCE_EXHAUSTED", "no room")
    await cluster.apply(claim(storage_class=None), using("p", "data"))
    await cluster.settle()
    assert await node_of(cluster) == ""
    said = 'running PreBind plugin "VolumeBinding": binding volumes: provisioning failed for PVC "data"'
    assert said in await told(cluster, "FailedScheduling")
    driver.fail.clear()
    await cluster.clock.advance(60)
    assert await node_of(cluster) != ""


async def test_a_pod_that_goes_while_it_waits_leaves_the_claim_to_others(cluster: Cluster) -> None:
    driver = await two_nodes(cluster)
    driver.fail["CreateVolume"] = ("INTERNAL", "not now")
    await cluster.apply(claim(storage_class=None), using("p", "data"))
    await cluster.settle()
    await cluster.delete("pod/p")
    await cluster.settle()
    assert not cluster.scheduler._volumes._intents
    driver.fail.clear()
    await cluster.apply(using("q", "data"))
    await cluster.clock.advance(60)
    assert await node_of(cluster, "q") != ""


async def test_a_volume_that_never_comes_is_not_waited_for_for_ever(cluster: Cluster) -> None:
    await two_nodes(cluster)
    await cluster.apply(storage_class("theirs", "other.example.com", **WAITS), claim(storage_class="theirs"))
    await cluster.apply(using("p", "data"))
    await cluster.settle()
    await cluster.clock.advance(601)
    what = 'running PreBind plugin "VolumeBinding": binding volumes: timed out waiting for the condition'
    assert what in await told(cluster, "FailedScheduling")


async def test_pods_of_one_moment_do_not_take_the_same_volume(cluster: Cluster) -> None:
    await two_nodes(cluster)
    await cluster.apply(storage_class("local", "kubernetes.io/no-provisioner", **WAITS))
    for name, node in (("va", "a"), ("vb", "b")):
        local = {"path": "/mnt"}
        spec = volume(name, storageClassName="local", nodeAffinity=on(node), local=local)
        del spec["spec"]["hostPath"]
        await cluster.apply(spec)
    await cluster.settle()
    await cluster.apply(*(claim(name, storage_class="local") for name in ("one", "two", "three")))
    await cluster.apply(*(using(name, name) for name in ("one", "two", "three")))
    await cluster.settle()
    bound = {c["metadata"]["name"]: c["spec"].get("volumeName") for c in await cluster.list("pvc")}
    nodes = {name: await node_of(cluster, name) for name in bound}
    served = [name for name, node in nodes.items() if node]
    assert sorted((bound[name], nodes[name]) for name in served) == [("va", "a"), ("vb", "b")]
    (left,) = set(nodes) - set(served)
    assert (await why(cluster, left)).startswith(
        "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind."
    )


async def test_what_holds_for_every_node_is_said_once(cluster: Cluster) -> None:
    await two_nodes(cluster)
    await cluster.apply(using("p", "data"))
    await cluster.settle()
    nowhere = "0/2 nodes are available:"
    assert await why(cluster) == f'{nowhere} persistentvolumeclaim "data" not found. not found'
    await cluster.apply(storage_class("now", "other.example.com"), claim(storage_class="now"))
    await cluster.settle()
    await cluster.clock.advance(15)
    assert await why(cluster) == f"{nowhere} pod has unbound immediate PersistentVolumeClaims. not found"
    await cluster.apply(volume(storageClassName="now"))
    await cluster.settle()
    await cluster.clock.advance(15)
    assert await node_of(cluster) != ""


async def test_a_claim_for_one_pod_alone(cluster: Cluster) -> None:
    await two_nodes(cluster)
    await cluster.apply(volume(accessModes=["ReadWriteOncePod"]), claim(accessModes=["ReadWriteOncePod"]))
    await cluster.settle()
    await cluster.apply(using("p", "data"))
    await cluster.settle()
    await cluster.apply(using("q", "data"))
    await cluster.settle()
    assert await node_of(cluster, "p") != ""
    assert (await why(cluster, "q")).startswith(
        "0/2 nodes are available: 2 node has pod using PersistentVolumeClaim with the same name and "
        "ReadWriteOncePod access mode."
    )
    await cluster.client.delete(kinds.POD, Key("default", "p"), grace=0)
    await cluster.settle()
    await cluster.clock.advance(15)
    assert await node_of(cluster, "q") != ""


async def test_a_claim_for_one_pod_goes_to_the_more_important(cluster: Cluster) -> None:
    await two_nodes(cluster)
    high = {"kind": "PriorityClass", "apiVersion": "scheduling.k8s.io/v1", "metadata": {"name": "high"}, "value": 10}
    await cluster.apply(high, volume(accessModes=["ReadWriteOncePod"]), claim(accessModes=["ReadWriteOncePod"]))
    await cluster.settle()
    await cluster.apply(using("p", "data"))
    await cluster.settle()
    await cluster.apply(using("q", "data", priorityClassName="high"))
    await cluster.settle()
    assert (await cluster.get("pod/p"))["metadata"].get("deletionTimestamp")


async def test_no_more_volumes_than_the_driver_takes(cluster: Cluster) -> None:
    await two_nodes(cluster, allocatable={"count": 1})
    for name in ("one", "two", "three"):
        await cluster.apply(claim(name, storage_class=None), using(name, name))
        await cluster.settle()
    assert {await node_of(cluster, "one"), await node_of(cluster, "two")} == {"a", "b"}
    assert (await why(cluster, "three")).startswith("0/2 nodes are available: 2 node(s) exceed max volume count.")


async def test_volumes_stay_in_their_zone(cluster: Cluster) -> None:
    await two_nodes(cluster)
    for name, zone in (("a", "east"), ("b", "west")):
        await cluster.patch(f"node/{name}", {"metadata": {"labels": {"topology.kubernetes.io/zone": zone}}})
    zoned = volume()
    zoned["metadata"]["labels"] = {"topology.kubernetes.io/zone": "west__north"}
    await cluster.apply(zoned, claim(), using("p", "data"))
    await cluster.settle()
    await cluster.clock.advance(15)
    assert await node_of(cluster) == "b"


async def test_a_pod_with_an_ephemeral_volume_gets_all_it_needs(cluster: Cluster) -> None:
    await two_nodes(cluster)
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    scratch = {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": asked}}}
    await cluster.apply(using("p", volumes=[scratch]))
    await cluster.settle()
    await cluster.clock.advance(15)
    assert await node_of(cluster) != ""
    assert (await cluster.get("pvc/p-scratch"))["status"]["phase"] == "Bound"


async def test_nodes_without_the_local_driver_are_passed_over(cluster: Cluster) -> None:
    await two_nodes(cluster)
    await cluster.delete("csinode/a")
    await cluster.settle()
    await cluster.apply(claim(storage_class=None), using("p", "data"))
    await cluster.settle()
    assert await node_of(cluster) == "b"


async def test_a_driver_that_tells_how_much_room_it_has_is_believed(cluster: Cluster) -> None:
    driver = Driver("disk.example.com")
    driver.plug_into(cluster)
    about = {"name": "disk.example.com", "annotations": {"csi.longboat.dev/controller-scope": "cluster"}}
    tells = {"kind": "CSIDriver", "apiVersion": "storage.k8s.io/v1", "metadata": about,
             "spec": {"storageCapacity": True, "attachRequired": False}}  # fmt: skip
    await cluster.apply(tells, storage_class("disk", "disk.example.com", **WAITS))
    for name in ("a", "b"):
        await add_driver_node(cluster, name, "disk.example.com")
    for node, room in (("a", "1Gi"), ("b", "10Gi")):
        left = {"metadata": {"name": node}, "storageClassName": "disk", "capacity": room,
                "nodeTopology": {"matchLabels": {"kubernetes.io/hostname": node}}}  # fmt: skip
        await cluster.apply({"kind": "CSIStorageCapacity", "apiVersion": "storage.k8s.io/v1", **left})
    await cluster.apply(claim("large", "5Gi", "disk"), claim("huge", "50Gi", "disk"))
    await cluster.apply(using("p", "large"), using("q", "huge"))
    await cluster.settle()
    assert await node_of(cluster, "p") == "b"
    assert (await why(cluster, "q")).startswith("0/2 nodes are available: 2 node(s) did not have enough free storage.")
