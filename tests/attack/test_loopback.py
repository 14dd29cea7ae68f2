"""What listens on a machine's loopback is that machine's own (CVE-2020-8558, security lesson 9)."""

from __future__ import annotations

import pytest

from e2e.host import Cluster

SETTINGS = "/proc/sys/net/ipv4/conf/*/route_localnet"


@pytest.mark.root
@pytest.mark.containers
def test_no_route_leads_to_loopback(cluster: Cluster) -> None:
    """Neither in the namespace where the control plane is nor in a node's: no packet from outside is for 127.0.0.1."""
    nodes = [process["pid"] for process in cluster.status()["processes"] if process["name"].startswith("node-")]
    assert nodes
    for enter in ((), *(("nsenter", f"--net=/proc/{pid}/ns/net") for pid in nodes)):
        found = cluster.host.run(*enter, "sh", "-c", f"cat {SETTINGS}").quiet().split()
        assert len(found) > 2 and set(found) == {"0"}
