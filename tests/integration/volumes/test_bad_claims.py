"""Claims and classes that make no sense: said in external-provisioner's words before a driver is asked for anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from integration.volumes.driver import Driver, add_driver_node
from integration.volumes.objects import claim, storage_class, told
from longboat.api import kinds
from longboat.apiserver.request import Request, Response
from longboat.controllers.volumes.csi.base import AT_ONCE
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

DISK = "disk.example.com"
SECRET = "csi.storage.k8s.io/provisioner-secret"


async def ask(cluster: Cluster, driver: Driver, parameters: dict[str, str], **spec: Any) -> None:
    driver.plug_into(cluster)
    await add_driver_node(cluster, "a", DISK)
    await cluster.apply(storage_class("disk", DISK, parameters=parameters), claim(storage_class="disk", **spec))
    await cluster.settle()


@pytest.mark.parametrize(
    ("parameters", "spec", "why"),
    [
        ({}, {"selector": {"matchLabels": {"a": "b"}}}, "claim Selector is not supported"),
        ({}, {"dataSource": {"kind": "PersistentVolumeClaim", "name": "x"}},
         "CSI driver does not support clone operations: controller CLONE_VOLUME capability is not reported"),
        ({}, {"dataSource": {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "x"}},
         "CSI driver does not support snapshot restore: controller CREATE_DELETE_SNAPSHOT capability is not reported"),
        ({"csi.storage.k8s.io/what": "x"}, {},
         'failed to strip CSI Parameters of prefixed keys: found unknown parameter key "csi.storage.k8s.io/what" with '
         "reserved namespace csi.storage.k8s.io/"),
        ({f"{SECRET}-name": "none", f"{SECRET}-namespace": "default"}, {},
         'error getting secret none in namespace default: secrets "none" not found'),
        ({"csi.storage.k8s.io/node-stage-secret-name": "x"}, {},
         "failed to get name and namespace template from params: either name and namespace for NodeStage secrets "
         "specified, Both must be specified"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_told_and_nothing_made(
    cluster: Cluster, parameters: dict[str, str], spec: Object, why: str
) -> None:
    driver = Driver(DISK, "CREATE_DELETE_VOLUME")
    await ask(cluster, driver, parameters, **spec)
    assert await told(cluster, "ProvisioningFailed") == [f'failed to provision volume with StorageClass "disk": {why}']
    await cluster.clock.advance(30)
    assert not driver.made("CreateVolume")


async def test_what_populators_fill_is_left_to_them(cluster: Cluster) -> None:
    driver = Driver(DISK, "CREATE_DELETE_VOLUME")
    await ask(cluster, driver, {}, dataSourceRef={"apiGroup": "example.com", "kind": "Book", "name": "x"})
    assert "Assuming an external populator will provision the volume" in await told(cluster, "Provisioning")
    assert not await told(cluster, "ProvisioningFailed") and not driver.made("CreateVolume")


class Stingy(Driver):
    """Makes what is too small, and says so."""

    def CreateVolume(self, node: str, asked: Object) -> Object:
        made = super().CreateVolume(node, asked)
        made["volume"]["capacityBytes"] = "5"
        return made


async def test_what_is_of_no_use_is_deleted_again(cluster: Cluster) -> None:
    driver = Stingy(DISK, "CREATE_DELETE_VOLUME")
    await ask(cluster, driver, {})
    why = "created volume capacity 5 less than requested capacity 1073741824"
    assert await told(cluster, "ProvisioningFailed") == [f'failed to provision volume with StorageClass "disk": {why}']
    assert not driver.volumes
    driver.fail["DeleteVolume"] = ("INTERNAL", "busy")
    await cluster.clock.advance(10)
    assert driver.volumes
    orphaned = [said for said in await told(cluster, "ProvisioningFailed") if "volume is orphaned" in said]
    assert orphaned[0].endswith("volume is orphaned: rpc error: code = Internal desc = busy")

    # It is not forgotten, though its claim is gone.
    await cluster.delete("pvc/data")
    driver.fail.clear()
    await cluster.clock.advance(60)
    assert not driver.volumes


class Silent(Driver):
    """Hears everything, and answers no CreateVolume."""

    async def serve(self, request: Request) -> Response:
        if request.info.parts[-1] == "CreateVolume":
            self.calls.append(("", "CreateVolume", {}))
            await asyncio.Event().wait()
        return await super().serve(request)


async def test_a_driver_that_does_not_answer_holds_up_no_other(cluster: Cluster) -> None:
    silent, able = Silent(DISK, "CREATE_DELETE_VOLUME"), Driver("able.example.com", "CREATE_DELETE_VOLUME")

    async def serve(request: Request) -> Response:
        return await (silent if request.info.parts[3] == DISK else able).serve(request)

    cluster.api.dispatcher.answers[kinds.NODE, "csi"] = serve
    await add_driver_node(cluster, "a", DISK)
    await add_driver_node(cluster, "b", "able.example.com")
    await cluster.apply(storage_class("disk", DISK), storage_class("able", "able.example.com"))
    await cluster.apply(*(claim(f"waits-{number}", storage_class="disk") for number in range(70)))
    await until(cluster, lambda: len(silent.calls) >= AT_ONCE)
    await cluster.apply(claim("served", storage_class="able"))
    await until(cluster, lambda: bool(able.volumes))
    assert len(silent.made("CreateVolume")) == AT_ONCE


async def until(cluster: Cluster, found: Callable[[], bool]) -> None:
    """Where work goes on for ever, the cluster does not settle."""
    for _ in range(20_000):
        if found():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not come to pass")
