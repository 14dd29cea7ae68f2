"""What the suite itself needs (sig-architecture)."""

from __future__ import annotations

from conformance.node.api import Api
from conformance.node.pods import is_ready
from e2e.host import Cluster


def test_two_nodes(cluster: Cluster, api: Api) -> None:
    """Conformance: Conformance tests minimum number of nodes."""
    nodes = [
        node
        for node in api.get("/api/v1/nodes")["items"]
        if is_ready(node) and not node["spec"].get("unschedulable") and not node["spec"].get("taints")
    ]
    assert len(nodes) >= 2
