"""Traffic to Services beyond the usual: datagrams, clients that stay, endpoints that are ending, health checks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from e2e.host import Cluster
from e2e.manifests import WEB, service, shell_pod

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

NAMESPACE, PORT = "traffic", 8080
PATIENCE = 20.0  # seconds until a change must show
DRAIN = 120  # seconds: longer than the test looks


def until(holds: Callable[[], Any], problem: str = "", within: float = PATIENCE) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, problem
        time.sleep(0.05)


def server(name: str, app: str, node: str = "", drain: int = 0) -> dict[str, Any]:
    """A pod that serves, and goes on for so many seconds when it is asked to stop."""
    made = shell_pod(name, node=node, terminationGracePeriodSeconds=drain + 1)
    made["metadata"]["labels"] = {"app": app}
    ready = {"httpGet": {"path": "/healthz", "port": PORT}, "periodSeconds": 1}
    stop = {"preStop": {"sleep": {"seconds": drain}}}
    made["spec"]["containers"] = [{"name": "main", "image": WEB, "readinessProbe": ready, "lifecycle": stop}]
    return made


def internal(node: dict[str, Any]) -> str:
    """A node's IPv4 address."""
    return next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP" and "." in a["address"])


@dataclass
class Place:
    """Two nodes with an asker on each; in front of the third there is nothing yet."""

    cluster: Cluster
    nodes: dict[str, str]  # addresses, by name

    def wait(self, *pods: str) -> None:
        names = [f"pod/{name}" for name in pods]
        self.cluster.kubectl("wait", "-n", NAMESPACE, "--for=condition=Ready", *names, "--timeout=60s").quiet()

    def address(self, name: str) -> str:
        found: str = self.cluster.get("service", name)["spec"]["clusterIP"]
        return found

    def ask(self, asker: str, script: str) -> list[str]:
        """The words that a line of shell in an asker says."""
        command = ("exec", "-n", NAMESPACE, f"asker-{asker}", "--", "sh", "-c", script)
        return self.cluster.kubectl(*command).ok().out.split()

    def answers(self, asker: str, to: str, times: int = 1) -> list[str]:
        """Who answers: "-" where nobody does within a second."""
        return self.ask(asker, f"for i in $(seq {times}); do echo $(timeout 1 /fetch {to} 2>/dev/null || echo -); done")

    def from_outside(self, node: str, port: int, path: str = "/") -> tuple[int, str]:
        """Status (0 without an answer) and body of what a node's port says to the host."""
        command = ("curl", "-s", "-m", "1", "-w", "\n%{http_code}", f"http://{self.nodes[node]}:{port}{path}")
        said, _, code = self.cluster.host.run(*command).out.rpartition("\n")
        return int(code), said.strip()

    def from_inside(self, node: str, port: int) -> str:
        """What the node's loopback address says to the node itself."""
        (process,) = (each["pid"] for each in self.cluster.status()["processes"] if each["name"] == node)
        asked = ("curl", "-s", "-m", "1", f"http://127.0.0.1:{port}/")
        return self.cluster.host.run("nsenter", f"--net=/proc/{process}/ns/net", *asked).out.strip()

    def condition(self, pod: str) -> dict[str, bool] | None:
        """What the EndpointSlices say of a pod's endpoint."""
        for piece in self.cluster.get("endpointslices", "-n", NAMESPACE)["items"]:
            for endpoint in piece.get("endpoints") or ():
                if endpoint["targetRef"]["name"] == pod:
                    found: dict[str, bool] = endpoint["conditions"]
                    return found
        return None

    def delete(self, pod: str) -> None:
        self.cluster.kubectl("delete", "pod", "-n", NAMESPACE, pod, "--grace-period=0", "--force").ok()


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[Place]:
    cluster.kubectl("create", "namespace", NAMESPACE).quiet()
    cluster.kubectl("config", "set-context", "--current", f"--namespace={NAMESPACE}").quiet()
    until(lambda: cluster.kubectl("get", "serviceaccount", "default", "-n", NAMESPACE).code == 0)
    nodes = {node["metadata"]["name"]: internal(node) for node in cluster.get("nodes")["items"]}
    cluster.apply(
        *(shell_pod(f"asker-{node}", node=node) for node in nodes),
        *(server(f"many-{index}", "many") for index in range(3)),
    )
    place = Place(cluster, nodes)
    place.wait(*(f"asker-{node}" for node in nodes), *(f"many-{index}" for index in range(3)))
    yield place
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false").quiet()


def test_clients_stay_until_the_timeout(place: Place) -> None:
    sticky = service("many", target=PORT)
    sticky["spec"] |= {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 2}}}
    place.cluster.apply(sticky)
    to = f"{place.address('many')} 80"
    until(lambda: "-" not in place.answers("node-1", to, 10))
    # Each request counts anew: for as long as they come more often than that, it is one pod that answers.
    asking = f"for i in $(seq 14); do /fetch {to}; sleep 0.3; done"
    with ThreadPoolExecutor() as pool:
        kept, *others = pool.map(lambda node: place.ask(node, asking), place.nodes)
    for names in (kept, *others):
        assert len(names) == 14 and len(set(names)) == 1
    # By chance a client that has been forgotten may come to the same pod again, but not for long.
    until(lambda: place.ask("node-1", f"sleep 2.5; /fetch {to}") != kept[:1], "it is never forgotten", within=60)
    place.cluster.kubectl("delete", "service", "many").quiet()


def test_datagrams_reach_everybody_and_leave_who_is_gone(place: Place) -> None:
    udp = service("many", kind="NodePort", target=PORT)
    udp["spec"]["ports"][0]["protocol"] = "UDP"
    place.cluster.apply(udp)
    spec = place.cluster.get("service", "many")["spec"]
    everybody = {f"many-{index}" for index in range(3)}
    fronts = [(spec["clusterIP"], 80), *((a, spec["ports"][0]["nodePort"]) for a in place.nodes.values())]
    for address, port in fronts:
        for asker in place.nodes:
            until(lambda to=f"-u {address} {port}", asker=asker: set(place.answers(asker, to, 15)) == everybody)  # type: ignore[misc]
    # One flow after the other, each from a port of its own: whoever has it keeps it, until it is gone.
    flows = {f"-u -b {4000 + index} {address} {port}": index for index, (address, port) in enumerate(fronts)}
    had = {flow: place.answers("node-1", flow, 3) for flow in flows}
    assert all(len(set(names)) == 1 for names in had.values())
    for name in {names[0] for names in had.values()}:
        place.delete(name)
    left = everybody - {names[0] for names in had.values()}
    place.cluster.apply(server("many-3", "many"))
    place.wait("many-3")
    for flow in flows:
        until(lambda flow=flow: set(place.answers("node-1", flow)) <= {*left, "many-3"}, flow)  # type: ignore[misc]
    place.cluster.kubectl("delete", "service", "many").quiet()


def test_a_host_port_answers_a_socket_that_outlives_its_pod(place: Place) -> None:
    def publish(name: str) -> None:
        pod = server(name, "stats", "node-2")
        pod["spec"]["containers"][0]["ports"] = [
            {"containerPort": PORT, "hostPort": 8125, "protocol": "UDP"},
            {"containerPort": PORT, "hostPort": 8126},
            {"containerPort": PORT, "hostPort": 8127, "hostIP": "127.0.0.1"},
        ]
        place.cluster.apply(pod)
        place.wait(name)

    flow = f"-u -b 4900 {place.nodes['node-2']} 8125"
    assert place.answers("node-1", flow) == ["-"], "so there is a flow that leads nowhere"
    publish("stats-1")
    until(lambda: place.answers("node-1", flow) == ["stats-1"], "the first flow leads nowhere for ever")
    for port, outside in ((8126, "stats-1"), (8127, "")):
        assert place.from_inside("node-2", port) == "stats-1"
        assert place.from_outside("node-2", port)[1] == outside
    place.delete("stats-1")
    until(lambda: place.answers("node-1", flow) == ["-"])
    publish("stats-2")
    until(lambda: place.answers("node-1", flow) == ["stats-2"], "the flow still leads to the former pod")
    place.delete("stats-2")


def test_endpoints_that_are_ending_serve_where_there_is_no_other(place: Place) -> None:
    """Pods on both nodes; that on the first is on its way out, but still serves."""
    outside = service("web", kind="LoadBalancer", target=PORT)
    outside["spec"] |= {"externalTrafficPolicy": "Local", "internalTrafficPolicy": "Local"}
    anywhere = service("anywhere", kind="NodePort", target=PORT)
    anywhere["spec"]["selector"] = {"app": "web"}
    alone = service("alone", target=PORT)
    place.cluster.apply(
        outside, anywhere, alone, server("web-1", "web", "node-1", DRAIN),
        server("web-2", "web", "node-2"), server("alone", "alone", "node-1", DRAIN),
    )  # fmt: skip
    place.wait("web-1", "web-2", "alone")
    found = place.cluster.get("service", "web")["spec"]
    port, check = found["ports"][0]["nodePort"], found["healthCheckNodePort"]
    near, everywhere = f"{found['clusterIP']} 80", f"{place.address('anywhere')} 80"

    def checked(node: str) -> tuple[int, int]:
        """Status, and how many endpoints the health check counts."""
        code, said = place.from_outside(node, check)
        return code, json.loads(said)["localEndpoints"] if said else -1

    for node, pod in (("node-1", "web-1"), ("node-2", "web-2")):
        until(lambda node=node, pod=pod: place.from_outside(node, port) == (200, pod))  # type: ignore[misc]
        until(lambda node=node, pod=pod: set(place.answers(node, near, 5)) == {pod})  # type: ignore[misc]
        until(lambda node=node: checked(node) == (200, 1))  # type: ignore[misc]
        assert place.from_outside(node, 10256, "/healthz")[0] == 200, "the node's own health"
    until(lambda: set(place.answers("node-1", everywhere, 10)) == {"web-1", "web-2"})

    place.cluster.kubectl("delete", "pod", "web-1", "alone", "--wait=false").ok()
    ending = {"ready": False, "serving": True, "terminating": True}
    until(lambda: place.condition("web-1") == ending == place.condition("alone"))
    until(lambda: checked("node-1") == (503, 0), "balancers must turn away")
    assert checked("node-2") == (200, 1)
    until(lambda: set(place.answers("node-1", everywhere, 10)) == {"web-2"}, "there is another that is ready")
    for _ in range(5):  # but whoever must stay on this node, and whoever has no other, is still served
        assert place.from_outside("node-1", port) == (200, "web-1")
        assert place.answers("node-1", near) == ["web-1"]
        assert place.answers("node-2", f"{place.address('alone')} 80") == ["alone"]
    assert place.condition("web-1") == ending, "it has served until here"

    for pod in ("web-1", "alone"):
        place.delete(pod)
    until(lambda: place.from_outside("node-1", port) == (0, ""), "dropped where there is no endpoint")
    until(lambda: place.answers("node-1", near) == ["-"])
    until(lambda: place.answers("node-2", f"{place.address('alone')} 80") == ["-"])
    assert place.from_outside("node-2", port) == (200, "web-2") and place.answers("node-2", near) == ["web-2"]
    place.delete("web-2")
    until(lambda: checked("node-2") == (503, 0))

    cluster_wide = '{"spec": {"externalTrafficPolicy": "Cluster"}}'
    place.cluster.kubectl("patch", "service", "web", "-p", cluster_wide).quiet()
    for node in place.nodes:
        until(lambda node=node: place.from_outside(node, check) == (0, ""), "nobody asks any more")  # type: ignore[misc]
