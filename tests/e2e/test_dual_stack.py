"""Two IP families on real containers: what answers in one answers in the other, and what is kept out is out of both."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e.host import Cluster
from e2e.manifests import shell_pod
from images import build
from longboat.cli.nodes import has_ipv6

pytestmark = [
    pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300),
    pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6, and so a cluster has none"),
]  # fmt: skip

SPACE, NODES = "dual-stack", ("node-1", "node-2")
SERVE = "mkdir /www; hostname > /www/index.html; exec httpd -f -p 8080 -h /www"
WEB, CLIENTS = ("web-1", "web-2"), ("client-1", "client-2")
REFUSED, UNREACHABLE = "Connection refused", ("No route to host", "Network is unreachable")


@dataclass
class World:
    """A server and a client on each node, and Services of all sorts before the servers."""

    cluster: Cluster

    def get(self, *args: str) -> Any:
        return self.cluster.get("-n", SPACE, *args)

    def run(self, pod: str, *command: str) -> str:
        return self.cluster.kubectl("exec", "-n", SPACE, pod, "--", *command).ok().out

    def dial(self, pod: str, address: str, port: int = 80, count: int = 1) -> Counter[str]:
        """What answers to so many requests, by name or what went wrong."""
        return Counter(self.run(pod, "/dial", address, str(port), str(count)).splitlines())

    def everyone(self, pod: str, address: str, port: int = 80) -> None:
        """See both servers behind an address."""
        seen: set[str] = set()
        until(lambda: seen.update(self.dial(pod, address, port, 4)) or seen == set(WEB))  # type: ignore[func-returns-value]

    def addresses(self, pod: str) -> list[str]:
        return [each["ip"] for each in self.get("pod", pod)["status"]["podIPs"]]

    def service(self, name: str) -> list[str]:
        found: list[str] = self.get("service", name)["spec"]["clusterIPs"]
        return found


def until(true: Callable[[], bool], within: float = 20) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def service(name: str, **spec: Any) -> dict[str, Any]:
    spec = {"selector": {"role": "web"}, "ports": [{"port": 80, "targetPort": 8080}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": SPACE}, "spec": spec}


def pod(name: str, node: str, dial: Path) -> dict[str, Any]:
    role, _, _ = name.partition("-")
    made = shell_pod(name, SERVE if role == "web" else "exec sleep 1000000", node=node, terminationGracePeriodSeconds=0)
    made["metadata"] |= {"namespace": SPACE, "labels": {"role": role}}
    made["spec"]["volumes"] = [{"name": "dial", "hostPath": {"path": str(dial), "type": "File"}}]
    (container,) = made["spec"]["containers"]
    container["volumeMounts"] = [{"name": "dial", "mountPath": "/dial"}]
    container["env"] = [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for name, path in (("POD", "status.podIPs"), ("HOST", "status.hostIPs"))
    ]
    if role == "web":
        container["readinessProbe"] = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
        container["ports"] = [{"containerPort": 8080, "hostPort": 8088}]
    return made


@pytest.fixture(scope="module")
def world(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    dial = tmp_path_factory.mktemp("dial") / "dial"
    dial.write_bytes(build.compiled(build.HERE / "dial.c"))
    dial.chmod(0o755)
    cluster.kubectl("create", "namespace", SPACE).quiet()
    until(lambda: cluster.kubectl("get", "serviceaccount", "default", "-n", SPACE).code == 0)
    cluster.apply(
        *(pod(name, node, dial) for names in (WEB, CLIENTS) for name, node in zip(names, NODES, strict=True)),
        service("both", type="NodePort", ipFamilyPolicy="RequireDualStack"),
        service("six", ipFamilies=["IPv6"]),
        service("one"),
        service("headless", clusterIP="None", ipFamilyPolicy="RequireDualStack"),
        service("sticky", ipFamilyPolicy="PreferDualStack", sessionAffinity="ClientIP"),
        service("balanced", type="LoadBalancer", ipFamilyPolicy="PreferDualStack"),
        service("local", ipFamilies=["IPv6"], internalTrafficPolicy="Local"),
        service("nobody", ipFamilies=["IPv6"], selector={"role": "nobody"}),
    )
    cluster.kubectl("wait", "-n", SPACE, "--for=condition=Ready", "pods", "--all", "--timeout=90s").quiet()
    yield World(cluster)
    cluster.kubectl("delete", "namespace", SPACE, "--wait=false").quiet()


def test_nodes_and_pods_have_addresses_of_both_families(world: World) -> None:
    ranges = []
    for node in world.cluster.get("nodes")["items"]:
        four, six = node["spec"]["podCIDRs"]
        assert node["spec"]["podCIDR"] == four and four.endswith("/24") and six.endswith("/64")
        internal = [a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"]
        assert "." in internal[0] and ":" in internal[1]
        ranges.append(six)
    assert len(set(ranges)) == 2
    found = world.get("pod", "client-1")
    four, six = (each["ip"] for each in found["status"]["podIPs"])
    assert found["status"]["podIP"] == four and "." in four and ":" in six
    hosts = [each["ip"] for each in found["status"]["hostIPs"]]
    assert world.run("client-1", "sh", "-c", "echo $POD; echo $HOST").split() == [f"{four},{six}", ",".join(hosts)]
    listed = [line.split() for line in world.run("client-1", "cat", "/etc/hosts").splitlines()]
    assert listed[-2:] == [[four, "client-1"], [six, "client-1"]]


def test_pods_reach_each_other_on_and_across_nodes(world: World) -> None:
    for client in CLIENTS:
        for web in WEB:
            for address in world.addresses(web):
                assert world.dial(client, address, 8080) == {web: 1}


def test_a_service_of_both_families_answers_at_each_address_on_each_node(world: World) -> None:
    four, six = world.service("both")
    assert "." in four and ":" in six
    for client in (*CLIENTS, *WEB):  # a server reaches itself, too
        for address in (four, six):
            world.everyone(client, address)
    assert world.get("service", "one")["spec"]["ipFamilyPolicy"] == "SingleStack" and len(world.service("one")) == 1
    slices = world.get("endpointslices", "-l", "kubernetes.io/service-name=both")["items"]
    assert sorted(each["addressType"] for each in slices) == ["IPv4", "IPv6"]
    listed = "jsonpath={.subsets[*].addresses[*].ip}"  # without a warning that Endpoints are deprecated
    old = world.cluster.kubectl("get", "-n", SPACE, "endpoints", "both", "-o", listed).ok().out.split()
    assert set(old) == {world.addresses(web)[0] for web in WEB}


def test_a_service_of_the_other_family_alone(world: World) -> None:
    (address,) = world.service("six")
    assert ":" in address and world.get("service", "six")["spec"]["ipFamilies"] == ["IPv6"]
    world.everyone("client-1", address)
    assert world.dial("client-1", address, 81) == {REFUSED: 1}
    assert world.dial("client-1", world.service("nobody")[0]) == {REFUSED: 1}
    assert world.dial("client-2", world.service("local")[0], count=4) == {"web-2": 4}


def test_node_ports_host_ports_and_load_balancers(world: World) -> None:
    port = world.get("service", "both")["spec"]["ports"][0]["nodePort"]
    for node, web in zip(NODES, WEB, strict=True):
        for address in [
            a["address"] for a in world.cluster.get("node", node)["status"]["addresses"] if a["type"] == "InternalIP"
        ]:
            world.everyone("client-1", address, port)
            assert world.dial("client-2", address, 8088) == {web: 1}
            shown = f"[{address}]" if ":" in address else address
            assert world.cluster.host.run("curl", "-s", "-m", "2", f"http://{shown}:{port}/").out.strip() in WEB

    def points() -> list[str]:
        status = world.get("service", "balanced")["status"]
        return [each["ip"] for each in status["loadBalancer"].get("ingress") or []]

    until(lambda: len(points()) == 2)
    for address in points():
        shown = f"[{address}]" if ":" in address else address
        answer = ["curl", "-s", "-m", "2", f"http://{shown}/"]
        until(lambda answer=answer: world.cluster.host.run(*answer).out.strip() in WEB)  # type: ignore[misc]


def test_a_client_stays_with_its_server_in_each_family(world: World) -> None:
    for address in world.service("sticky"):
        for client in CLIENTS:
            assert len(world.dial(client, address, count=10)) == 1


def test_names_have_addresses_of_both_families_and_addresses_names(world: World) -> None:
    def looked_up(name: str, kind: str) -> set[str]:
        """The data of the records."""
        said = world.cluster.kubectl("exec", "-n", SPACE, "client-1", "--", "/resolve", name, kind).out
        return {line.split()[-1] for line in said.splitlines()}

    domain = f"{SPACE}.svc.cluster.local"
    pods = [world.addresses(web) for web in WEB]
    until(lambda: looked_up(f"headless.{domain}", "AAAA") == {six for _, six in pods})
    assert looked_up(f"headless.{domain}", "A") == {four for four, _ in pods}
    four, six = world.service("both")
    assert (looked_up(f"both.{domain}", "A"), looked_up(f"both.{domain}", "AAAA")) == ({four}, {six})
    backwards = ".".join(reversed(expanded(six))) + ".ip6.arpa"
    assert looked_up(backwards, "PTR") == {f"both.{domain}"}
    dns = world.cluster.get("service", "kube-dns", "-n", "kube-system")["spec"]
    assert dns["ipFamilyPolicy"] == "PreferDualStack" and len(dns["clusterIPs"]) == 2
    for client in CLIENTS:
        assert six in world.run(client, "nslookup", f"both.{domain}", dns["clusterIPs"][1])


def expanded(address: str) -> str:
    """All its hexadecimal digits."""
    head, _, tail = address.partition("::")
    groups = [head.split(":"), tail.split(":") if tail else []]
    zeros = ["0"] * (8 - sum(map(len, groups))) if "::" in address else []
    return "".join(group.zfill(4) for group in (*groups[0], *zeros, *groups[1]))


def test_what_is_denied_is_denied_in_both_families(world: World) -> None:
    def policy(name: str, **spec: Any) -> dict[str, Any]:
        metadata = {"name": name, "namespace": SPACE}
        return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}

    addresses = {web: world.addresses(web) for web in WEB}

    def answers(way: tuple[str, str, int]) -> bool:
        client, web, family = way
        return world.dial(client, addresses[web][family], 8080) == {web: 1}

    def open_ways() -> set[tuple[str, str, int]]:
        """Which client reaches which server, and at which of its addresses."""
        ways = list(itertools.product(CLIENTS, WEB, (0, 1)))
        with ThreadPoolExecutor() as several:  # most run into a timeout
            return {way for way, found in zip(ways, several.map(answers, ways), strict=True) if found}

    def link_local(pod: str) -> str:
        words = world.run(pod, "ip", "-6", "addr", "show", "dev", "eth0", "scope", "link").split()
        return words[words.index("inet6") + 1].partition("/")[0]

    near = link_local("web-1")
    assert "web-1" not in world.dial("client-1", near, 8080), "no way round policies on one node's bridge"
    web = {"matchLabels": {"role": "web"}}
    world.cluster.apply(policy("deny", podSelector=web, policyTypes=["Ingress"]))
    try:
        until(lambda: open_ways() == set())
        block = {"ipBlock": {"cidr": f"{world.addresses('client-1')[1]}/128"}}
        world.cluster.apply(policy("some", podSelector=web, ingress=[{"from": [block]}]))
        until(lambda: open_ways() == {("client-1", server, 1) for server in WEB})
    finally:
        world.cluster.kubectl("delete", "networkpolicy", "-n", SPACE, "--all").ok()


def test_nothing_leaves_that_nobody_claims(world: World) -> None:
    site = world.service("six")[0].rpartition("::")[0]
    for address in ("2001:db8::1", f"{site.rpartition(':')[0]}:1ff::9"):
        (said,) = world.dial("client-2", address, 8080)
        assert said in UNREACHABLE, (address, said)
    assert set(world.dial("client-2", f"{site}::fffe", 8080)) == {REFUSED}, "no Service has it"
