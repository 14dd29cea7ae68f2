"""The API of dynamic resource allocation (sig-node)."""

from __future__ import annotations

from conformance.node.crud import whole_life
from conformance.stage import inside
from conformance.verbs import Verbs
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

CLAIM: Object = {"devices": {"requests": [{"name": "one", "exactly": {"deviceClassName": "example"}}]}}


def annotate_template(obj: Object) -> None:
    obj["metadata"].setdefault("labels", {})["changed"] = "yes"


@inside
async def test_device_classes(cluster: Cluster) -> None:
    """Conformance: CRUD operations for deviceclasses"""

    def change(obj: Object) -> None:
        obj["spec"]["selectors"] = [{"cel": {"expression": 'device.driver == "other.example.com"'}}]

    body = {"spec": {"selectors": [{"cel": {"expression": 'device.driver == "example.com"'}}]}}
    await whole_life(cluster, "deviceclass", body, change)


@inside
async def test_claims(cluster: Cluster) -> None:
    """Conformance: CRUD operations for resourceclaims"""
    await whole_life(cluster, "resourceclaim", {"spec": CLAIM}, annotate_template)
    claims = Verbs(cluster, "resourceclaim")
    await claims.create("allocated", {"spec": CLAIM})
    device = {"request": "one", "driver": "example.com", "pool": "pool", "device": "device-0"}
    allocation = {"allocation": {"devices": {"results": [device]}}}
    changed = await claims.update("allocated", lambda obj: obj.update(status=allocation), "status")
    assert changed["status"] == allocation and changed["spec"] == (await claims.read("allocated"))["spec"]
    data = {"devices": [{"driver": "example.com", "pool": "pool", "device": "device-0", "data": {"a": 1}}]}
    patched = await claims.patch("allocated", {"status": data}, subresource="status")
    assert patched["status"] == {**allocation, **data} == (await claims.read("allocated", "status"))["status"]


@inside
async def test_claim_templates(cluster: Cluster) -> None:
    """Conformance: CRUD operations for resourceclaimtemplates"""
    body = {"spec": {"metadata": {"labels": {"app": "example"}}, "spec": CLAIM}}
    await whole_life(cluster, "resourceclaimtemplate", body, annotate_template)


@inside
async def test_slices(cluster: Cluster) -> None:
    """Conformance: CRUD operations for resoureslices"""

    def change(obj: Object) -> None:
        obj["spec"]["pool"]["generation"] = 2
        obj["spec"]["devices"].append({"name": "device-1"})

    pool = {"name": "pool", "generation": 1, "resourceSliceCount": 1}
    attributes = {"model": {"string": "example"}, "cores": {"int": 4}}
    device = {"name": "device-0", "attributes": attributes, "capacity": {"memory": {"value": "1Gi"}}}
    body = {"spec": {"driver": "example.com", "nodeName": "node-1", "pool": pool, "devices": [device]}}
    await whole_life(cluster, "resourceslice", body, change)
