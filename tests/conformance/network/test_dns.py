"""Names that pods look up, through the C library and their own resolv.conf (sig-network's entries on DNS)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from e2e.host import Cluster
from e2e.manifests import shell_pod

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

PATIENCE = 20.0  # seconds until a change must show
DOMAIN = "svc.cluster.local"


class Pod:
    """A pod that looks names up."""

    def __init__(self, cluster: Cluster, namespace: str, name: str = "asker") -> None:
        self.cluster, self.namespace, self.name = cluster, namespace, name

    @classmethod
    def start(cls, cluster: Cluster, namespace: str, name: str = "asker", **spec: Any) -> Pod:
        use(cluster, namespace)
        cluster.apply(shell_pod(name, **spec))
        cluster.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s").quiet()
        return cls(cluster, namespace, name)

    def run(self, *command: str) -> list[str]:
        return self.cluster.kubectl("exec", "-n", self.namespace, self.name, "--", *command).out.splitlines()

    def address(self) -> str:
        found: str = self.cluster.get("pod", self.name)["status"]["podIP"]
        return found

    def records(self, name: str, kind: str, *, tcp: bool = False) -> list[str]:
        """Data of the records found, sorted."""
        found = self.run("/resolve", name, kind, *(["tcp"] if tcp else []))
        return sorted(
            line.split(" ", 2)[2] for line in found if len(line.split(" ")) > 2 and line.split(" ")[1] == kind
        )

    def sees(self, name: str, kind: str, wanted: list[str]) -> None:
        """Both over UDP and TCP, within a while."""
        for tcp in (False, True):
            eventually(lambda tcp=tcp: self.records(name, kind, tcp=tcp), wanted, f"{name} {kind}")  # type: ignore[misc]


def use(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("config", "set-context", "--current", f"--namespace={namespace}").quiet()


def eventually(look: Callable[[], Any], wanted: Any, what: str) -> None:
    until = time.monotonic() + PATIENCE
    while (found := look()) != wanted:
        assert time.monotonic() < until, f"{what}: {found}, not {wanted}"
        time.sleep(0.1)


def service(name: str, **spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    inner = {"selector": {"role": "server"}, "ports": ports, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": inner}


def server(name: str, **spec: Any) -> dict[str, Any]:
    pod = shell_pod(name, "exec /web", **spec)
    pod["metadata"]["labels"] = {"role": "server"}
    return pod


def addresses_of(cluster: Cluster, label: str) -> list[str]:
    cluster.kubectl("wait", "--for=condition=Ready", "pods", "-l", label, "--timeout=60s").quiet()
    return sorted(pod["status"]["podIP"] for pod in cluster.get("pods", "-l", label)["items"])


def test_the_cluster_has_names(cluster: Cluster, namespace: str) -> None:
    """Conformance: DNS, cluster

    [sig-network] DNS should provide DNS for the cluster [Conformance]
    """
    address = cluster.get("service", "kubernetes", "-n", "default")["spec"]["clusterIP"]
    for node in cluster.get("nodes")["items"]:
        pod = Pod.start(cluster, namespace, f"on-{node['metadata']['name']}", node=node["metadata"]["name"])
        for name in ("kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.{DOMAIN}"):
            pod.sees(name, "A", [address])
            assert pod.run("/resolve", name) == [address]
        own = pod.address()
        pod.sees(f"{own.replace('.', '-')}.{namespace}.pod.cluster.local", "A", [own])


def test_a_pod_finds_itself_in_its_hosts_file(cluster: Cluster, namespace: str) -> None:
    """Conformance: DNS, cluster

    [sig-network] DNS should provide /etc/hosts entries for the cluster [Conformance]
    """
    pod = Pod.start(cluster, namespace, hostname="dns-querier-1", subdomain="dns-test-service", dnsPolicy="Default")
    full = f"dns-querier-1.dns-test-service.{namespace}.{DOMAIN}"
    own = [each["ip"] for each in cluster.get("pod", pod.name)["status"]["podIPs"]]
    listed = [line.split() for line in pod.run("cat", "/etc/hosts")]
    assert listed[-len(own) :] == [[address, full, "dns-querier-1"] for address in own]
    for name in ("dns-querier-1", full):
        found = pod.run("/resolve", name)  # some C libraries stop at the first line
        assert found and set(found) <= set(own), "found without any name server, so in /etc/hosts"


def test_services_have_names(cluster: Cluster, namespace: str) -> None:
    """Conformance: DNS, services

    [sig-network] DNS should provide DNS for services [Conformance]
    """
    pod = Pod.start(cluster, namespace)
    cluster.apply(service("headless", clusterIP="None"), service("plain"), server("server-1"), server("server-2"))
    endpoints = addresses_of(cluster, "role=server")
    address = cluster.get("service", "plain")["spec"]["clusterIP"]
    for suffix in (f".{namespace}", f".{namespace}.svc", f".{namespace}.{DOMAIN}"):
        pod.sees(f"headless{suffix}", "A", endpoints)
        pod.sees(f"plain{suffix}", "A", [address])
    whole = f"{namespace}.{DOMAIN}"
    hosts = [f"{endpoint.replace('.', '-')}.headless.{whole}" for endpoint in endpoints]
    pod.sees(f"_http._tcp.headless.{namespace}.svc", "SRV", [f"0 100 8080 {host}" for host in hosts])
    pod.sees(f"_http._tcp.plain.{namespace}.svc", "SRV", [f"0 100 80 plain.{whole}"])
    for host, endpoint in zip(hosts, endpoints, strict=True):
        pod.sees(host, "A", [endpoint])
    reverse = ".".join(reversed(address.split("."))) + ".in-addr.arpa"
    pod.sees(reverse, "PTR", [f"plain.{whole}"])


def test_partly_qualified_names(cluster: Cluster, namespace: str) -> None:
    """Conformance: DNS, PQDN for services

    [sig-network] DNS should resolve DNS of partial qualified names for services [LinuxOnly] [Conformance]
    """
    pod = Pod.start(cluster, namespace)
    cluster.apply(service("headless", clusterIP="None"), service("plain"), server("server-1"))
    endpoints, address = addresses_of(cluster, "role=server"), cluster.get("service", "plain")["spec"]["clusterIP"]
    whole = f"{namespace}.{DOMAIN}"
    (host,) = [f"{endpoint.replace('.', '-')}.headless.{whole}" for endpoint in endpoints]
    for suffix in ("", f".{namespace}", f".{namespace}.svc"):
        pod.sees(f"headless{suffix}", "A", endpoints)
        pod.sees(f"plain{suffix}", "A", [address])
        pod.sees(f"_http._tcp.headless{suffix}", "SRV", [f"0 100 8080 {host}"])
        pod.sees(f"_http._tcp.plain{suffix}", "SRV", [f"0 100 80 plain.{whole}"])


def test_a_pod_with_a_hostname_has_a_name(cluster: Cluster, namespace: str) -> None:
    """Conformance: DNS, resolve the hostname

    [sig-network] DNS should provide DNS for pods for Hostname [Conformance]
    """
    use(cluster, namespace)
    cluster.apply(
        service("dns-test-service-2", clusterIP="None"), server("one", hostname="one", subdomain="dns-test-service-2")
    )
    (address,) = addresses_of(cluster, "role=server")
    pod = Pod.start(cluster, namespace)
    for name in ("one.dns-test-service-2", f"one.dns-test-service-2.{namespace}.{DOMAIN}"):
        pod.sees(name, "A", [address])
    itself = Pod(cluster, namespace, "one")
    assert itself.run("/resolve", "one") == [address] and itself.run("hostname") == ["one"]
    assert itself.run("/resolve", f"one.dns-test-service-2.{namespace}.{DOMAIN}") == [address]


def test_a_pod_with_a_subdomain_has_a_name(cluster: Cluster, namespace: str) -> None:
    """Conformance: DNS, resolve the subdomain

    [sig-network] DNS should provide DNS for pods for Subdomain [Conformance]
    """
    use(cluster, namespace)
    cluster.apply(
        service("dns-test-service-2", clusterIP="None"), server("two", hostname="two", subdomain="dns-test-service-2")
    )
    (address,) = addresses_of(cluster, "role=server")
    pod = Pod.start(cluster, namespace)
    whole = f"dns-test-service-2.{namespace}.{DOMAIN}"
    pod.sees(f"two.{whole}", "A", [address])
    for name in ("dns-test-service-2", f"dns-test-service-2.{namespace}", whole):
        pod.sees(name, "A", [address])
    reverse = ".".join(reversed(address.split("."))) + ".in-addr.arpa"
    pod.sees(reverse, "PTR", [f"two.{whole}"])


def test_an_external_name_may_change_and_become_a_cluster_ip(cluster: Cluster, namespace: str) -> None:
    """Conformance: DNS, for ExternalName Services

    [sig-network] DNS should provide DNS for ExternalName services [Conformance]
    """
    pod = Pod.start(cluster, namespace)
    name = f"dns-test-service-3.{namespace}.{DOMAIN}"
    outside = {"type": "ExternalName", "externalName": "foo.example.com"}
    cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "dns-test-service-3"}, "spec": outside})
    pod.sees(name, "CNAME", ["foo.example.com"])
    patch = ("patch", "service", "dns-test-service-3", "--type=merge", "-p")
    cluster.kubectl(*patch, '{"spec": {"externalName": "bar.example.com"}}').quiet()
    pod.sees(name, "CNAME", ["bar.example.com"])
    ports = '[{"port": 80, "name": "http", "protocol": "TCP"}]'
    cluster.kubectl(*patch, f'{{"spec": {{"type": "ClusterIP", "externalName": null, "ports": {ports}}}}}').quiet()
    pod.sees(name, "A", [cluster.get("service", "dns-test-service-3")["spec"]["clusterIP"]])
    pod.sees(name, "CNAME", [])


def test_a_pod_may_bring_its_own_settings(cluster: Cluster, namespace: str) -> None:
    """Conformance: DNS, custom dnsConfig

    [sig-network] DNS should support configurable pod DNS nameservers [Conformance]
    """
    settings = {"nameservers": ["1.1.1.1"], "searches": ["resolv.conf.local"]}
    pod = Pod.start(cluster, namespace, dnsPolicy="None", dnsConfig=settings)
    found = cluster.get("pod", "asker")["spec"]
    assert found["dnsPolicy"] == "None" and found["dnsConfig"] == settings
    assert pod.run("cat", "/etc/resolv.conf") == ["search resolv.conf.local", "nameserver 1.1.1.1"]
