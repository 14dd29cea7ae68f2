"""The API of dynamic resource allocation (sig-node)."""

from __future__ import annotations

from conformance.node.crud import whole_life
from conformance.node.every_patch import Case, every_patch
from conformance.stage import inside
from conformance.verbs import Verbs
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

CLAIM: Object = {"devices": {"requests": [{"name": "one", "exactly": {"deviceClassName": "example"}}]}}
MARK = {"test.dra.example.com": "test"}
MARKED = {"metadata": {"labels": MARK}}
EMPTY: Object = {"status": {"allocation": {}}}  # no device at all is an allocation too
ALLOCATED: Object = {"status": {"allocation": {"devices": {}}}}  # as it is stored


def mark(obj: Object) -> None:
    """Specs of claims never change."""
    obj["metadata"].setdefault("labels", {}).update(MARK)


def select(expression: str) -> Object:
    return {"spec": {"selectors": [{"cel": {"expression": expression}}]}}


@inside
async def test_device_classes(cluster: Cluster) -> None:
    """Conformance: CRUD operations for deviceclasses"""

    def change(obj: Object) -> None:
        obj["spec"]["selectors"] = [{"cel": {"expression": 'device.driver == "other.example.com"'}}]

    await whole_life(cluster, "deviceclass", select('device.driver == "example.com"'), change)
    never = Case(
        "deviceclass", select("false"), lambda obj: obj.update(select("1 == 0")), {"strategic": select("1 == 0")}
    )
    await every_patch(cluster, never)


@inside
async def test_claims(cluster: Cluster) -> None:
    """Conformance: CRUD operations for resourceclaims"""
    added = [{"op": "add", "path": "/metadata/labels/test.dra.example.com", "value": "test"}]
    allocated = [{"op": "add", "path": "/status/allocation", "value": {}}]
    case = Case(
        "resourceclaim",
        {"spec": CLAIM, "status": {}},
        mark,
        {"strategic": MARKED, "apply": MARKED, "merge": MARKED, "json": added},
        lambda obj: obj.update(ALLOCATED),
        {"strategic": EMPTY, "apply": EMPTY, "merge": EMPTY, "json": allocated},
    )
    await every_patch(cluster, case)
    await whole_life(cluster, "resourceclaim", {"spec": CLAIM}, mark)
    claims = Verbs(cluster, "resourceclaim")
    await claims.create("allocated", {"spec": CLAIM})
    device = {"request": "one", "driver": "example.com", "pool": "pool", "device": "device-0"}
    allocation = {"allocation": {"devices": {"results": [device]}}}
    changed = await claims.update("allocated", lambda obj: obj.update(status=allocation), "status")
    assert changed["status"] == allocation and changed["spec"] == (await claims.read("allocated"))["spec"]
    device = {"driver": "example.com", "pool": "pool", "device": "device-0"}
    data = {"devices": [{**device, "data": {"a": 1}, "conditions": None}]}
    patched = await claims.patch("allocated", {"status": data}, subresource="status")
    assert patched["status"] == {**allocation, **data} == (await claims.read("allocated", "status"))["status"]


@inside
async def test_claim_templates(cluster: Cluster) -> None:
    """Conformance: CRUD operations for resourceclaimtemplates"""
    body = {"spec": {"metadata": {"labels": {"app": "example"}}, "spec": CLAIM}}
    await whole_life(cluster, "resourceclaimtemplate", body, mark)
    sent = {"spec": {"metadata": {}, "spec": CLAIM}}
    await every_patch(cluster, Case("resourceclaimtemplate", sent, mark, {"strategic": MARKED}))


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
    filled = {"spec": {"devices": [{"name": "device-0"}]}}
    empty = {"spec": {"driver": "dra.example.com", "nodeName": "no-such-node", "pool": pool}}
    await every_patch(
        cluster, Case("resourceslice", empty, lambda obj: obj["spec"].update(filled["spec"]), {"strategic": filled})
    )
