"""Pods of controllers that answer: in real containers (sig-apps)."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest

from e2e.host import Cluster
from e2e.manifests import WEB, service, shell_pod

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

PORT = 8080
DATAGRAM = """
import socket, sys
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.settimeout(5)
asking.connect((sys.argv[1], int(sys.argv[2])))
asking.send(b"hello")
print(asking.recv(2048).decode())
"""


def web_template() -> dict[str, Any]:
    ready = {"httpGet": {"path": "/healthz", "port": PORT}, "periodSeconds": 1}
    container = {"name": "web", "image": WEB, "ports": [{"containerPort": PORT}], "readinessProbe": ready}
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}


def running(cluster: Cluster, namespace: str, owner: dict[str, Any]) -> dict[str, str]:
    """The addresses of a controller's pods, by name, once they are all ready."""
    cluster.kubectl("config", "set-context", "--current", f"--namespace={namespace}").quiet()
    cluster.apply(owner, shell_pod("asker"))
    name = f"{owner['kind']}/{owner['metadata']['name']}".lower()
    wanted = owner["spec"]["replicas"]
    cluster.kubectl("wait", f"--for=jsonpath={{.status.readyReplicas}}={wanted}", name, "--timeout=60s").quiet()
    cluster.kubectl("wait", "--for=condition=Ready", "pod/asker", "--timeout=60s").quiet()
    pods = cluster.get("pods", "-l", "app=web")["items"]
    assert len(pods) == wanted and {pod["status"]["phase"] for pod in pods} == {"Running"}
    return {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in pods}


def ask(cluster: Cluster, command: str) -> str:
    return cluster.kubectl("exec", "asker", "--", "sh", "-c", command).ok().out


def test_replica_set(cluster: Cluster, namespace: str) -> None:
    """Conformance: Replica Set, run basic image"""
    selector = {"matchLabels": {"app": "web"}}
    spec = {"replicas": 1, "selector": selector, "template": web_template()}
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web"}, "spec": spec}
    for name, address in running(cluster, namespace, owner).items():
        assert ask(cluster, f"/fetch {address} {PORT}").strip() == name


def test_replication_controller(cluster: Cluster, namespace: str) -> None:
    """Conformance: Replication Controller, run basic image"""
    spec = {"replicas": 2, "selector": {"app": "web"}, "template": web_template()}
    owner = {"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "web"}, "spec": spec}
    pods = running(cluster, namespace, owner)
    for name, address in pods.items():
        assert ask(cluster, f"/fetch {address} {PORT}").strip() == name
        said = ask(cluster, f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {address} {PORT}")
        assert said.startswith("HTTP/1.1 200 OK\n") and said.split()[-1] == name
    front = service("web", kind="NodePort", target=PORT, port=PORT)
    front["spec"]["ports"] = [{**front["spec"]["ports"][0], "name": p.lower(), "protocol": p} for p in ("TCP", "UDP")]
    cluster.apply(front)
    found = cluster.get("service", "web")["spec"]
    tcp, udp = (str(port["nodePort"]) for port in found["ports"])
    for node in cluster.get("nodes")["items"]:
        address = next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP")
        eventually_one_of(pods, cluster, "curl", "-sS", "-m", "5", f"http://{address}:{tcp}/")
        eventually_one_of(pods, cluster, sys.executable, "-c", DATAGRAM, address, udp)
    assert ask(cluster, f"/fetch {found['clusterIP']} {PORT}").strip() in pods


def eventually_one_of(pods: dict[str, str], cluster: Cluster, *command: str) -> None:
    """The command says the name of a pod, at the latest when the nodes have heard of the Service."""
    until = time.monotonic() + 10
    while (done := cluster.host.run(*command)).out.strip() not in pods:
        assert time.monotonic() < until, done
        time.sleep(0.1)
