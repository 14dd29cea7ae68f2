"""A CSI driver that answers where real ones do, through its node, and keeps its volumes in a dict."""

from __future__ import annotations

from typing import Any

import msgspec

from longboat.api import kinds
from longboat.api.storage import CONTROLLER_DRIVERS, CONTROLLER_SCOPE, LOCAL_DRIVER, OF_CLUSTER
from longboat.apiserver.request import Request, Response
from longboat.apiserver.streams import csi
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

KEY = "topology.local.longboat.dev/node"
STATUS = {"NOT_FOUND": 404, "ALREADY_EXISTS": 409, "RESOURCE_EXHAUSTED": 429, "UNAVAILABLE": 503}


class Driver:
    """Volumes by id. `fail` makes an Rpc answer with (code, message); `calls` lists (node, rpc, request)."""

    def __init__(self, name: str = LOCAL_DRIVER, *capabilities: str) -> None:
        self.name = name
        self.capabilities = capabilities or ("CREATE_DELETE_VOLUME", "EXPAND_VOLUME")
        self.volumes: dict[str, Object] = {}
        self.attached: set[tuple[str, str]] = set()
        self.calls: list[tuple[str, str, Object]] = []
        self.fail: dict[str, tuple[str, str]] = {}
        self.node_expansion = True

    def plug_into(self, cluster: Cluster) -> None:
        cluster.api.dispatcher.answers[kinds.NODE, "csi"] = self.serve

    async def serve(self, request: Request) -> Response:
        node, driver, rpc = csi.asked(request)
        if driver != self.name:
            return self._failure("UNIMPLEMENTED", f"unknown driver {driver}")
        asked = msgspec.json.decode(await request.read_body(1 << 20))
        self.calls.append((node, rpc, asked))
        if rpc in self.fail:
            return self._failure(*self.fail[rpc])
        return Response(200, msgspec.json.encode(getattr(self, rpc)(node, asked)), stream=None)

    def made(self, rpc: str) -> list[Object]:
        """The requests of this kind."""
        return [asked for _, name, asked in self.calls if name == rpc]

    @staticmethod
    def _failure(code: str, message: str) -> Response:
        return Response(STATUS.get(code, 500), msgspec.json.encode({"code": code, "message": message}))

    def ControllerGetCapabilities(self, node: str, asked: Object) -> Object:
        return {"capabilities": [{"rpc": {"type": name}} for name in self.capabilities]}

    def CreateVolume(self, node: str, asked: Object) -> Object:
        size = asked["capacityRange"]["requiredBytes"]
        volume = {"volumeId": f"{node}/{asked['name']}", "capacityBytes": size, "volumeContext": {"made": "here"}}
        if places := asked.get("accessibilityRequirements"):
            volume["accessibleTopology"] = places["preferred"][:1]
        self.volumes.setdefault(volume["volumeId"], volume)
        return {"volume": volume}

    def DeleteVolume(self, node: str, asked: Object) -> Object:
        self.volumes.pop(asked["volumeId"], None)
        return {}

    def ControllerPublishVolume(self, node: str, asked: Object) -> Object:
        self.attached.add((asked["volumeId"], asked["nodeId"]))
        return {"publishContext": {"device": "/dev/x"}}

    def ControllerUnpublishVolume(self, node: str, asked: Object) -> Object:
        self.attached.discard((asked["volumeId"], asked["nodeId"]))
        return {}

    def ControllerExpandVolume(self, node: str, asked: Object) -> Object:
        size = asked["capacityRange"]["requiredBytes"]
        return {"capacityBytes": size, "nodeExpansionRequired": self.node_expansion}


async def add_driver_node(cluster: Cluster, name: str, driver: str = LOCAL_DRIVER, **more: Any) -> None:
    """A ready node that has the driver, as its agent would register it; the driver is given to our controllers."""
    if driver != LOCAL_DRIVER and not await cluster.exists(f"csidriver/{driver}"):
        await describe(cluster, driver, OF_CLUSTER)
    node = {"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, KEY: name}}}
    await cluster.apply({"kind": "Node", "apiVersion": "v1", **node})
    status = {
        "allocatable": {"cpu": "8", "memory": "16Gi", "pods": "110"},
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
    }
    await cluster.patch(f"node/{name}", {"status": status}, subresource="status")
    await register(cluster, name, driver, **more)


async def describe(cluster: Cluster, driver: str, scope: str | None) -> None:
    """What its administrator says of whose it is."""
    notes = {CONTROLLER_SCOPE: scope} if scope is not None else {}
    await cluster.apply(
        {"kind": "CSIDriver", "apiVersion": "storage.k8s.io/v1", "metadata": {"name": driver, "annotations": notes}}
    )


async def give(cluster: Cluster, driver: str, scope: str | None) -> None:
    """The administrator thinks again."""
    await cluster.patch(f"csidriver/{driver}", {"metadata": {"annotations": {CONTROLLER_SCOPE: scope}}})
    await cluster.settle()


async def register(cluster: Cluster, name: str, driver: str = LOCAL_DRIVER, **more: Any) -> None:
    """What a node's agent says of its driver."""
    registered = {"name": driver, "nodeID": f"id-{name}", "topologyKeys": [KEY], **more}
    await cluster.apply(
        {
            "kind": "CSINode",
            "apiVersion": "storage.k8s.io/v1",
            "metadata": {"name": name, "annotations": {CONTROLLER_DRIVERS: driver}},
            "spec": {"drivers": [registered]},
        }
    )
    await cluster.settle()
