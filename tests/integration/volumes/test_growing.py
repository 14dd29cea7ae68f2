"""Claims that ask for more, and volumes that grow (KEP-1790)."""

from __future__ import annotations

from typing import Any

import pytest

from integration.volumes.driver import Driver, add_driver_node
from integration.volumes.objects import claim, told, using
from longboat.machinery.errors import StatusError
from longboat.testing.cluster import Cluster


async def grown(cluster: Cluster, driver: Driver, size: str = "3Gi") -> Any:
    """A bound claim that asks for more. Returns it."""
    driver.plug_into(cluster)
    await add_driver_node(cluster, "a")
    await cluster.apply(claim(storage_class=None), using("p", "data"))
    await cluster.settle()
    assert (await cluster.get("pvc/data"))["status"]["capacity"] == {"storage": "1Gi"}
    await ask(cluster, size)
    return await cluster.get("pvc/data")


async def ask(cluster: Cluster, size: str) -> None:
    await cluster.patch("pvc/data", {"spec": {"resources": {"requests": {"storage": size}}}})
    await cluster.settle()


def conditions(found: Any) -> dict[str, str]:
    return {c["type"]: c.get("message", "") for c in found["status"].get("conditions", [])}


async def test_the_driver_does_its_part_and_leaves_the_rest_to_the_node(cluster: Cluster) -> None:
    driver = Driver()
    found = await grown(cluster, driver)
    assert found["status"]["capacity"] == {"storage": "1Gi"}, "the file system has not grown yet"
    assert found["status"]["allocatedResources"] == {"storage": "3Gi"}
    assert found["status"]["allocatedResourceStatuses"] == {"storage": "NodeResizePending"}
    assert conditions(found) == {
        "FileSystemResizePending": (
            "Waiting for user to (re-)start a pod to finish file system resize of volume on node."
        )
    }
    (volume,) = await cluster.list("pv")
    assert volume["spec"]["capacity"] == {"storage": "3Gi"}
    (asked,) = driver.made("ControllerExpandVolume")
    assert asked["volumeId"] == volume["spec"]["csi"]["volumeHandle"]
    assert asked["capacityRange"] == {"requiredBytes": str(3 << 30)}
    assert asked["volumeCapability"]["accessMode"] == {"mode": "SINGLE_NODE_WRITER"}
    name = volume["metadata"]["name"]
    assert await told(cluster, "Resizing") == [f"External resizer is resizing volume {name}"]
    assert await told(cluster, "FileSystemResizeRequired") == ["Require file system resize of volume on node"]


async def test_without_a_node_s_part_it_is_done(cluster: Cluster) -> None:
    driver = Driver()
    driver.node_expansion = False
    found = await grown(cluster, driver)
    assert found["status"]["capacity"] == {"storage": "3Gi"}
    assert "allocatedResourceStatuses" not in found["status"]
    assert conditions(found) == {}
    assert await told(cluster, "VolumeResizeSuccessful") == ["Resize volume succeeded"]


async def test_a_driver_that_grows_volumes_on_nodes_only(cluster: Cluster) -> None:
    driver = Driver("local.longboat.dev", "CREATE_DELETE_VOLUME")
    found = await grown(cluster, driver)
    assert found["status"]["allocatedResourceStatuses"] == {"storage": "NodeResizePending"}
    assert not driver.made("ControllerExpandVolume")


async def test_a_failure_is_told_and_tried_again(cluster: Cluster) -> None:
    driver = Driver()
    driver.fail["ControllerExpandVolume"] = ("INTERNAL", "not now")
    found = await grown(cluster, driver)
    assert found["status"]["allocatedResourceStatuses"] == {"storage": "ControllerResizeInProgress"}
    (volume,) = await cluster.list("pv")
    assert volume["spec"]["capacity"] == {"storage": "1Gi"}
    what = (
        f'resize volume "{volume["metadata"]["name"]}" by resizer "local.longboat.dev" failed: '
        "rpc error: code = Internal desc = not now"
    )
    assert await told(cluster, "VolumeResizeFailed") == [what]
    assert conditions(found) == {"Resizing": "", "ControllerResizeError": what}
    driver.fail.clear()
    await cluster.clock.advance(10)
    assert "FileSystemResizePending" in conditions(await cluster.get("pvc/data"))


async def test_what_cannot_be_done_can_be_taken_back(cluster: Cluster) -> None:
    driver = Driver()
    driver.fail["ControllerExpandVolume"] = ("OUT_OF_RANGE", "too large")
    found = await grown(cluster, driver, "9Ti")
    assert found["status"]["allocatedResourceStatuses"] == {"storage": "ControllerResizeInfeasible"}
    driver.fail.clear()
    await ask(cluster, "2Gi")
    (volume,) = await cluster.list("pv")
    assert volume["spec"]["capacity"] == {"storage": "2Gi"}
    with pytest.raises(StatusError, match=r"field can not be less than status.capacity"):
        await ask(cluster, "1Gi")


async def test_a_class_without_expansion_refuses(cluster: Cluster) -> None:
    await cluster.patch("sc/standard", {"allowVolumeExpansion": False})
    with pytest.raises(StatusError, match="only dynamically provisioned pvc can be resized"):
        await grown(cluster, Driver())


async def test_nothing_is_written_once_the_node_has_its_turn(cluster: Cluster) -> None:
    driver = Driver()
    found = await grown(cluster, driver)
    await cluster.clock.advance(600)
    assert (await cluster.get("pvc/data"))["metadata"]["resourceVersion"] == found["metadata"]["resourceVersion"]
    assert len(driver.made("ControllerExpandVolume")) == 1
