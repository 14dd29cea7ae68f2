"""Who gets a node's certificate, on a clock that the test moves."""

from __future__ import annotations

import base64
from typing import Any

from longboat.client.enrolment import NODE_CLIENT, USAGES
from longboat.node.certificates import client_wish
from longboat.testing.cluster import Cluster


def request(name: str, node: str) -> dict[str, Any]:
    wished = base64.b64encode(client_wish(node).request).decode()
    spec = {"request": wished, "signerName": NODE_CLIENT, "usages": USAGES[NODE_CLIENT]}
    return {"kind": "CertificateSigningRequest", "metadata": {"name": name}, "spec": spec}


async def verdict(cluster: Cluster, name: str) -> list[str]:
    await cluster.settle()
    found = await cluster.get(f"csr/{name}")
    return [each["type"] for each in (found.get("status") or {}).get("conditions") or ()]


async def test_a_name_is_one_machines_until_its_node_comes_or_does_not(cluster: Cluster) -> None:
    await cluster.apply(request("first", "n"))
    assert await verdict(cluster, "first") == ["Approved"]
    await cluster.apply(request("second", "n"), request("other", "m"))
    assert await verdict(cluster, "second") == []
    assert await verdict(cluster, "other") == ["Approved"]
    await cluster.clock.advance(59.0)
    assert await verdict(cluster, "second") == []
    await cluster.clock.advance(2.0)
    assert await verdict(cluster, "second") == ["Approved"]
    await cluster.apply(request("third", "n"), {"kind": "Node", "metadata": {"name": "n"}})
    await cluster.clock.advance(61.0)
    assert await verdict(cluster, "third") == ["Denied"]
    await cluster.delete("node/n")
    await cluster.apply(request("fourth", "n"), request("nobody", "N m"))
    assert await verdict(cluster, "fourth") == ["Approved"]
    assert await verdict(cluster, "nobody") == []
