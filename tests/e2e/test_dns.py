"""What pods are told about names, by each dnsPolicy, and what they then find; names outside, through the node."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.network.test_dns import DOMAIN, Pod, addresses_of, server, service, use
from e2e.host import Cluster
from e2e.manifests import shell_pod

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

SEARCH = "search {namespace}.svc.cluster.local svc.cluster.local cluster.local"
OUTSIDE = Path(__file__).with_name("outside_dns.py")


def resolv_conf(pod: Pod) -> list[str]:
    return [line.rstrip() for line in pod.run("cat", "/etc/resolv.conf") if line.strip()]


def test_cluster_first_asks_the_cluster(cluster: Cluster, namespace: str) -> None:
    more: dict[str, Any] = {
        "searches": ["example.com"],
        "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
    }
    expected = SEARCH.format(namespace=namespace)
    assert resolv_conf(Pod.start(cluster, namespace, "plain")) == [
        expected, "nameserver 10.96.0.10", "options ndots:5",
    ]  # fmt: skip
    pod = Pod.start(cluster, namespace, "extended", dnsConfig=more)
    assert resolv_conf(pod) == [f"{expected} example.com", "nameserver 10.96.0.10", "options ndots:2 edns0"]
    assert pod.run("/resolve", "kubernetes.default.svc") == ["10.96.0.1"], "two dots: first as it is, then searched for"


def test_pods_on_the_nodes_network_ask_whom_they_choose(cluster: Cluster, namespace: str) -> None:
    near = Pod.start(cluster, namespace, "near", hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet")
    assert resolv_conf(near)[1:] == ["nameserver 10.96.0.10", "options ndots:5"]
    assert near.run("/resolve", "kubernetes.default") == ["10.96.0.1"]
    node = cluster.get("pod", "near")["spec"]["nodeName"]
    of_node = (cluster.host.data / "nodes" / node / "resolv.conf").read_text()
    for name, spec in (("host", {"hostNetwork": True}), ("default", {"dnsPolicy": "Default"})):
        found = resolv_conf(Pod.start(cluster, namespace, name, **spec))
        assert found == [line for line in of_node.splitlines() if line and not line.startswith("#")]


def test_aliases_of_hosts_are_in_the_hosts_file(cluster: Cluster, namespace: str) -> None:
    aliases = [{"ip": "192.0.2.7", "hostnames": ["seven", "seven.example.com"]}]
    pod = Pod.start(cluster, namespace, hostAliases=aliases)
    assert pod.run("/resolve", "seven.example.com") == ["192.0.2.7"] == pod.run("/resolve", "seven")
    assert "# Entries added by HostAliases." in pod.run("cat", "/etc/hosts")


def test_every_type_of_record(cluster: Cluster, namespace: str) -> None:
    pod = Pod.start(cluster, namespace)
    whole = f"{namespace}.{DOMAIN}"
    alias = {"type": "ExternalName", "externalName": f"plain.{whole}", "selector": None, "ports": None}
    cluster.apply(
        service("plain", selector=None), service("headless", clusterIP="None"), service("alias", **alias),
        server("s", hostname="db-0", subdomain="headless"),
    )  # fmt: skip
    (endpoint,) = addresses_of(cluster, "role=server")
    address = cluster.get("service", "plain")["spec"]["clusterIP"]
    pod.sees("plain", "A", [address])
    pod.sees("plain", "AAAA", [])
    pod.sees("_http._tcp.plain", "SRV", [f"0 100 80 plain.{whole}"])
    pod.sees("_http._tcp.headless", "SRV", [f"0 100 8080 db-0.headless.{whole}"])
    pod.sees("db-0.headless", "A", [endpoint])
    pod.sees("alias", "CNAME", [f"plain.{whole}"])
    pod.sees("alias", "A", [address])
    for ip, name in ((address, f"plain.{whole}"), (endpoint, f"db-0.headless.{whole}")):
        pod.sees(".".join(reversed(ip.split("."))) + ".in-addr.arpa", "PTR", [name])
    pod.sees(f"{endpoint.replace('.', '-')}.{namespace}.pod.cluster.local", "A", [endpoint])
    pod.sees("dns-version.cluster.local", "TXT", ["1.1.0"])
    pod.sees("cluster.local", "NS", ["ns.dns.cluster.local"])
    pod.sees("cluster.local", "SOA", ["ns.dns.cluster.local"])
    assert pod.run("/resolve", f"nobody.{whole}.", "A") == ["Unknown host"]


def test_endpoints_that_are_not_ready_have_names_only_where_published(cluster: Cluster, namespace: str) -> None:
    pod = Pod.start(cluster, namespace)
    cold = server("cold", hostname="cold", subdomain="early")
    cold["spec"]["containers"][0]["readinessProbe"] = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    cluster.apply(
        service("early", clusterIP="None", publishNotReadyAddresses=True), service("late", clusterIP="None"), cold
    )
    cluster.kubectl("wait", "--for=jsonpath={.status.podIP}", "pod/cold", "--timeout=60s").quiet()
    address = cluster.get("pod", "cold")["status"]["podIP"]
    pod.sees("cold.early", "A", [address])
    pod.sees("early", "A", [address])
    pod.sees("late", "A", [])


def test_the_nodes_and_the_host_ask_there_too(cluster: Cluster) -> None:
    said = cluster.host.run("busybox", "nslookup", f"kube-dns.kube-system.{DOMAIN}", "10.96.0.10").out
    assert "Address: 10.96.0.10" in said
    for node in cluster.get("nodes")["items"]:
        address = node["status"]["addresses"][0]["address"]
        said = cluster.host.run("busybox", "nslookup", f"kubernetes.default.{DOMAIN}", address)
        assert "10.96.0.1" not in said.out.replace("10.96.0.10", ""), "names are answered at the Service's address only"


def test_without_a_way_out_names_outside_fail_at_once(cluster: Cluster, namespace: str) -> None:
    pod = Pod.start(cluster, namespace)
    began = time.monotonic()
    assert pod.run("/resolve", "www.example.com") == ["Temporary failure in name resolution"]
    assert time.monotonic() - began < 2


@pytest.fixture
def connected(tmp_path: Path, images: dict[str, Path]) -> Iterator[Cluster]:
    """A cluster whose machine asks a name server at 192.0.2.53; that is on the machine itself, and knows a name."""
    cluster = Cluster(tmp_path, 1, "--egress")
    host = cluster.host
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.53\nsearch corp.example\n")
    host.run("mount", "--bind", str(tmp_path / "resolv.conf"), "/etc/resolv.conf").ok()
    host.run("ip", "addr", "add", "192.0.2.53/32", "dev", "lo").ok()
    outside = host.start(sys.executable, str(OUTSIDE), "192.0.2.53")
    try:
        cluster.up()
        cluster.import_image(images["web"])
        yield cluster
    finally:
        outside.kill()
        outside.wait()
        cluster.close()


def test_names_outside_are_found_through_the_node(connected: Cluster) -> None:
    use(connected, "default")
    pod = Pod.start(connected, "default")
    assert resolv_conf(pod)[0].endswith("cluster.local corp.example")
    assert pod.run("/resolve", "www.example.com") == ["192.0.2.80"]
    assert pod.run("/resolve", "intranet") == ["192.0.2.81"], "by way of the machine's own search list"
    pod.sees("www.example.com", "A", ["192.0.2.80"])
    assert pod.run("/resolve", "no.example.com", "A") == ["Unknown host"]
    outside = {"type": "ExternalName", "externalName": "www.example.com"}
    connected.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "out"}, "spec": outside})
    pod.sees("out", "A", ["192.0.2.80"])
    connected.apply(shell_pod("plain", dnsPolicy="Default"))
    connected.kubectl("wait", "--for=condition=Ready", "pod/plain", "--timeout=60s").quiet()
    assert Pod(connected, "default", "plain").run("/resolve", "www") == ["192.0.2.82"]
