"""Pods behind Services: replaced when they go, reached from everywhere, never missed while they roll."""

from __future__ import annotations

import pytest

from e2e.host import Cluster
from e2e.manifests import service, shell_pod, web_deployment

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(900)]

CONNECTIONS = 5000  # from each of two nodes

PAUSE = 8  # milliseconds between them: long enough to outlast three rolling updates


@pytest.fixture
def web(cluster: Cluster, namespace: str) -> str:
    cluster.kubectl("config", "set-context", "--current", f"--namespace={namespace}").quiet()
    cluster.apply(web_deployment("web"), service("web", kind="NodePort"))
    cluster.kubectl("rollout", "status", "deploy/web", "--timeout=60s").quiet()
    return namespace


def test_a_deleted_pod_is_replaced_with_a_new_address(cluster: Cluster, web: str) -> None:
    before = {p["metadata"]["name"]: p["status"]["podIP"] for p in cluster.get("pods", "-l", "app=web")["items"]}
    victim = sorted(before)[0]
    cluster.kubectl("delete", "pod", victim).quiet()
    cluster.kubectl("rollout", "status", "deploy/web", "--timeout=60s").quiet()
    after = {p["metadata"]["name"]: p["status"]["podIP"] for p in cluster.get("pods", "-l", "app=web")["items"]}
    (fresh,) = set(after) - set(before)
    assert victim not in after and after[fresh] not in before.values()


def test_every_node_reaches_pods_services_and_itself(cluster: Cluster, web: str) -> None:
    nodes = [n["metadata"]["name"] for n in cluster.get("nodes")["items"]]
    cluster.apply(*(shell_pod(f"box-{node}", node=node) for node in nodes))
    cluster.kubectl("wait", "--for=condition=Ready", "pods", "--all", "--timeout=60s").quiet()
    # Upstream's case "should create Services and serve on different Service CIDRs": RFC 5737's range is anybody's.
    cluster.apply({
        "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "further"},
        "spec": {"cidrs": ["203.0.113.0/24"]},
    })  # fmt: skip
    cluster.kubectl("wait", "--for=condition=Ready", "servicecidr/further", "--timeout=20s").quiet()
    further = service("web", kind="NodePort")
    further["metadata"]["name"], further["spec"]["clusterIP"] = "further", "203.0.113.10"
    cluster.apply(further)
    address = cluster.get("service", "web")["spec"]["clusterIP"]
    pods = {p["status"]["podIP"]: p["metadata"]["name"] for p in cluster.get("pods", "-l", "app=web")["items"]}
    for node in nodes:
        for ip, name in pods.items():
            said = cluster.kubectl("exec", f"box-{node}", "--", "/fetch", ip, "8080")
            assert name in said.quiet()
        for each in (address, "203.0.113.10"):
            said = cluster.kubectl("exec", f"box-{node}", "--", "/fetch", each, "80")
            assert any(name in said.quiet() for name in pods.values())
    unclaimed = cluster.kubectl("exec", f"box-{nodes[0]}", "--", "/fetch", "203.0.113.77", "80")
    assert unclaimed.code != 0 and "efused" in unclaimed.out + unclaimed.err, unclaimed
    cluster.kubectl("delete", "service/further", "servicecidr/further", "--wait=false").quiet()
    for name in pods.values():  # hairpin: a pod reaches itself through its own Service
        for _ in range(8):
            cluster.kubectl("exec", name, "--", "/fetch", address, "80").quiet()


def test_the_node_port_answers_on_every_node_from_the_host(cluster: Cluster, web: str) -> None:
    port = cluster.get("service", "web")["spec"]["ports"][0]["nodePort"]
    for node in cluster.get("nodes")["items"]:
        address = next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP")
        assert "web-" in cluster.host.run("curl", "-sS", "-m", "5", f"http://{address}:{port}/").quiet()


def test_no_connection_fails_while_the_deployment_rolls(cluster: Cluster, web: str) -> None:
    nodes = [n["metadata"]["name"] for n in cluster.get("nodes")["items"]]
    address = cluster.get("service", "web")["spec"]["clusterIP"]
    load = f"exec /fetch {address} 80 {CONNECTIONS} {PAUSE}"
    cluster.apply(*(shell_pod(f"load-{node}", load, node=node, restartPolicy="Never") for node in nodes))
    for colour in ("red", "green", "blue"):
        cluster.kubectl("set", "env", "deploy/web", f"COLOUR={colour}").quiet()
        cluster.kubectl("rollout", "status", "deploy/web", "--timeout=120s").quiet()
    for node in nodes:
        wait = ("wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/load-{node}", "--timeout=400s")
        cluster.kubectl(*wait, timeout=420).quiet()
        assert cluster.kubectl("logs", f"load-{node}").quiet() == "done failed=0\n"
