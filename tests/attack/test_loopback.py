"""What listens on a machine's loopback is that machine's own (CVE-2020-8558, security lesson 9)."""

from __future__ import annotations

import pytest

from e2e.host import Cluster

SETTINGS = "/proc/sys/net/ipv4/conf/*/route_localnet"
GUARD = ("nft", "list", "chain", "ip", "longboat-services", "no-loopback")


@pytest.mark.root
@pytest.mark.containers
def test_no_route_leads_to_loopback(cluster: Cluster) -> None:
    """Neither in the namespace where the control plane is nor in a node's: no packet from outside is for 127.0.0.1.

    Host ports of a node open it to the bridge of its pods, where a rule keeps them out (test_loopback_ports shows that
    it does); so where there are none it is closed.
    """
    nodes = [process["pid"] for process in cluster.status()["processes"] if process["name"].startswith("node-")]
    assert nodes
    for enter in ((), *(("nsenter", f"--net=/proc/{pid}/ns/net") for pid in nodes)):
        said = cluster.host.run(*enter, "sh", "-c", f"grep -H . {SETTINGS}").quiet().split()
        found = {name.split("/")[-2]: value for name, _, value in (line.partition(":") for line in said)}
        assert len(found) > 2 and {value for name, value in found.items() if name != "cni0"} == {"0"}
        if enter:
            assert "ip daddr 127.0.0.0/8 drop" in cluster.host.run(*enter, *GUARD).quiet()
