"""Lease (sig-node)."""

from __future__ import annotations

from conformance.node.crud import names
from conformance.stage import inside
from conformance.verbs import Verbs
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

HELD = {
    "holderIdentity": "holder",
    "leaseDurationSeconds": 30,
    "acquireTime": "2030-01-02T03:04:05.678901Z",
    "renewTime": "2030-01-02T03:04:10.000001Z",
    "leaseTransitions": 0,
}


@inside
async def test_leases(cluster: Cluster) -> None:
    """Conformance: lease API should be available"""
    leases = Verbs(cluster, "lease")
    created = await leases.create("lease", {"spec": HELD})
    assert created["spec"] == HELD == (await leases.read("lease"))["spec"]

    taken = {**HELD, "holderIdentity": "another", "leaseDurationSeconds": 50, "leaseTransitions": 1}

    def take(obj: Object) -> None:
        obj["spec"] = taken

    await leases.update("lease", take)
    assert (await leases.read("lease"))["spec"] == taken
    renewed = {"leaseDurationSeconds": 60, "renewTime": "2030-01-02T03:05:10.000000Z"}
    await leases.patch("lease", {"spec": renewed}, style="strategic")
    assert (await leases.read("lease"))["spec"] == {**taken, **renewed}

    await leases.create("labelled", {"spec": HELD}, labels={"deletecollection": "true"})
    assert names(await leases.list()) == ["labelled", "lease"]
    await leases.delete_collection("deletecollection=true")
    assert await leases.is_gone("labelled")
    assert names(await leases.list()) == ["lease"]
    await leases.delete("lease")
    assert await leases.is_gone("lease")
