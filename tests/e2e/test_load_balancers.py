"""Load balancers' addresses answer to the shell that started the cluster, and follow the Service."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from e2e.host import Cluster
from e2e.manifests import service, web_deployment

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]


def until(true: Callable[[], bool], within: float = 20) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def address(cluster: Cluster, name: str) -> str:
    points = cluster.get("service", name)["status"]["loadBalancer"].get("ingress") or [{"ip": ""}]
    found: str = points[0]["ip"]
    return found


def fetch(cluster: Cluster, ip: str, path: str = "/") -> str:
    return cluster.host.run("curl", "-s", "-m", "2", f"http://{ip}{path}").out.strip()


def test_two_services_with_one_port_each_at_an_address_of_its_own(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("config", "set-context", "--current", f"--namespace={namespace}").quiet()
    cluster.apply(*(thing for name in ("one", "two") for thing in (
        web_deployment(name, 2), service(name, kind="LoadBalancer"))))  # fmt: skip
    for name in ("one", "two"):
        cluster.kubectl("rollout", "status", f"deploy/{name}", "--timeout=60s").quiet()
    until(lambda: all(address(cluster, name) for name in ("one", "two")))
    addresses = {name: address(cluster, name) for name in ("one", "two")}
    assert len(set(addresses.values())) == 2
    for name, ip in addresses.items():
        until(lambda ip=ip, name=name: fetch(cluster, ip).startswith(name))  # type: ignore[misc]
    assert addresses["one"] in cluster.kubectl("get", "service", "one").quiet()

    cluster.kubectl("patch", "service", "one", "-p", '{"spec":{"loadBalancerSourceRanges":["192.0.2.0/24"]}}').quiet()
    until(lambda: fetch(cluster, addresses["one"]) == "")
    node = cluster.get("node", "node-1")["status"]["addresses"][0]["address"]
    port = cluster.get("service", "one")["spec"]["ports"][0]["nodePort"]
    assert fetch(cluster, f"{node}:{port}").startswith("one"), "its node ports are open to all"
    cluster.kubectl("patch", "service", "one", "-p", '{"spec":{"loadBalancerSourceRanges":["172.16.0.0/12"]}}').quiet()
    until(lambda: fetch(cluster, addresses["one"]).startswith("one"))

    cluster.kubectl("delete", "service", "two").quiet()
    until(lambda: cluster.host.run("curl", "-s", "-m", "1", f"http://{addresses['two']}/").code != 0)


def test_a_local_policy_keeps_the_clients_address(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("config", "set-context", "--current", f"--namespace={namespace}").quiet()
    web = service("web", kind="LoadBalancer")
    web["spec"]["externalTrafficPolicy"] = "Local"
    cluster.apply(web_deployment("web", 1), web)
    cluster.kubectl("rollout", "status", "deploy/web", "--timeout=60s").quiet()
    until(lambda: bool(address(cluster, "web")))
    ip = address(cluster, "web")
    until(lambda: fetch(cluster, ip).startswith("web"))
    leg = cluster.get("node", "node-1")["status"]["addresses"][0]["address"].rpartition(".")[0] + ".1"
    assert fetch(cluster, ip, "/client").partition(":")[0] == leg
    (pod,) = cluster.get("pods", "-l", "app=web")["items"]
    other = next(n for n in cluster.get("nodes")["items"] if n["metadata"]["name"] != pod["spec"]["nodeName"])
    port = cluster.get("service", "web")["spec"]["ports"][0]["nodePort"]
    there = f"http://{other['status']['addresses'][0]['address']}:{port}/"
    assert cluster.host.run("curl", "-s", "-m", "2", there).code == 28, "dropped where there is no endpoint"
