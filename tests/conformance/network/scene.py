"""What the entries on traffic share: servers and askers on both nodes, and Services of all sorts in front of them.

A server answers with its pod's name, over TCP at 8080 and over UDP at 8081.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from conformance.node.pods import SLEEP, Pods, container, pod
from e2e.manifests import WEB
from longboat.machinery.objects import Object

PATIENCE = 20.0  # seconds until a change must show
TCP, UDP = 8080, 8081
TRIO = {"app": "trio"}
NOBODY = {"-"}
READY = {"httpGet": {"path": "/healthz", "port": TCP}, "periodSeconds": 1}


def eventually(look: Callable[[], Any], wanted: Any, what: str = "") -> None:
    until = time.monotonic() + PATIENCE
    while (found := look()) != wanted:
        assert time.monotonic() < until, f"{what}: {found}, not {wanted}"
        time.sleep(0.05)


def serving(*, tcp: int = TCP, udp: int = UDP, name: str = "main", says: str = "", **fields: Any) -> Object:
    """A container that serves; `says` is what it answers with, instead of the pod's name."""
    env = [{"name": "PORT", "value": str(tcp)}, {"name": "UDP_PORT", "value": str(udp)}]
    env += [{"name": "NAME", "value": says}] if says else []
    probe = {**READY, "httpGet": {"path": "/healthz", "port": tcp}}
    return {"name": name, "image": WEB, "env": env, "readinessProbe": probe, **fields}


def on(node: str) -> Object:
    return {"nodeSelector": {"kubernetes.io/hostname": node}}


def port(number: int, target: int | str = TCP, protocol: str = "TCP", **fields: Any) -> Object:
    """A port of a Service."""
    return {
        "name": f"{protocol.lower()}-{number}",
        "port": number,
        "targetPort": target,
        "protocol": protocol,
        **fields,
    }


class Scene(Pods):
    """On each node a server, an asker and an asker in the node's own network; and a Deployment of three servers."""

    def __init__(self, pods: Pods) -> None:
        super().__init__(pods.cluster, pods.api, pods.namespace)
        self.nodes: dict[str, str] = {}  # addresses, by name
        self.servers: dict[str, str] = {}  # addresses, by name
        self.trio: dict[str, str] = {}  # likewise: the Deployment's pods

    def set_up(self) -> None:
        for node in self.api.get("/api/v1/nodes")["items"]:
            found = node["status"]["addresses"]
            addresses = [a["address"] for a in found if a["type"] in ("InternalIP", "ExternalIP")]
            (self.nodes[node["metadata"]["name"]],) = [address for address in addresses if "." in address]
        asking = container(SLEEP, image=WEB)
        for number, node in enumerate(self.nodes, 1):
            self.create(
                pod(f"server-{number}", serving(), labels={"role": "server"}, **on(node)),
                pod(f"asker-{number}", asking, **on(node)),
                pod(f"host-{number}", asking, hostNetwork=True, **on(node)),
            )
        template = {
            "metadata": {"labels": TRIO},
            "spec": {"containers": [serving()], "terminationGracePeriodSeconds": 0},
        }
        spec = {"replicas": 3, "selector": {"matchLabels": TRIO}, "template": template}
        self.make({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "trio"}, "spec": spec})
        eventually(lambda: len(self.every("app=trio")), 3)
        self.trio = dict.fromkeys(self.every("app=trio"), "")
        self.ready(*self.names("server"), *self.names("asker"), *self.names("host"), *self.trio)
        self.servers, self.trio = self.addresses("role=server"), self.addresses("app=trio")

    def names(self, sort: str) -> list[str]:
        return [f"{sort}-{number}" for number in range(1, len(self.nodes) + 1)]

    def addresses(self, labels: str) -> dict[str, str]:
        return {name: found["status"]["podIP"] for name, found in self.every(labels).items()}

    def place(self, kind: str, version: str = "v1") -> str:
        """Where objects of a kind are."""
        root = "/api/v1" if version == "v1" else f"/apis/{version}"
        return f"{root}/namespaces/{self.namespace}/{kind.lower().rstrip('s')}s"

    def make(self, obj: Object) -> Object:
        return self.api.post(self.place(obj["kind"], obj["apiVersion"]), obj)

    def service(self, name: str, *ports: Object, selector: dict[str, str] | None = None, **spec: Any) -> Object:
        """Make a Service. Returns its spec."""
        inner = {"selector": selector, "ports": ports, **spec}
        made = self.make({"kind": "Service", "apiVersion": "v1", "metadata": {"name": name}, "spec": inner})
        found: Object = made["spec"]
        return found

    def change(self, name: str, **spec: Any) -> Object:
        """Patch a Service. Returns its spec."""
        found: Object = self.api.patch(f"{self.place('Service')}/{name}", {"spec": spec})["spec"]
        return found

    def remove(self, kind: str, name: str) -> None:
        self.api.ask("DELETE", f"{self.place(kind)}/{name}")

    def backing(self, service: str) -> set[tuple[str, int]] | None:
        """The Service's Endpoints: names of pods, and ports on them. None where there are none, not even empty."""
        items = self.api.get(f"{self.place('Endpoints')}?fieldSelector=metadata.name={service}")["items"]
        if not items:
            return None
        return {
            (address["targetRef"]["name"], port["port"])
            for subset in items[0].get("subsets", ())
            for address in subset.get("addresses", ())
            for port in subset["ports"]
        }

    def answers(self, asker: str, host: str, number: int, times: int = 1, *, udp: bool = False) -> list[str]:
        """Who answers each of so many requests; "-" where nobody does within two seconds."""
        ask = f"timeout 2 /fetch {'-u ' if udp else ''}{host} {number} 2>/dev/null || echo -"
        return self.sh(asker, f"for i in $(seq {times}); do echo $({ask}); done").split()

    def reaches(self, asker: str, host: str, number: int, wanted: set[str], *, udp: bool = False) -> None:
        """Sooner or later everybody of `wanted` answers, and nobody else: so often asked that it is no chance."""
        times = 15 + 5 * len(wanted) if wanted != NOBODY else 3
        where = f"{asker} asks {host}:{number}{' over UDP' if udp else ''}"
        eventually(lambda: set(self.answers(asker, host, number, times, udp=udp)), wanted, where)

    def refused(self, asker: str, host: str, number: int, *, udp: bool = False) -> None:
        """Sooner or later nobody answers."""
        self.reaches(asker, host, number, NOBODY, udp=udp)

    def reached_by(self, asker: str, name: str, spec: Object, wanted: set[str]) -> None:
        """A Service's first port, by its name, its address and, where it has one, its port on every node."""
        number = spec["ports"][0]["port"]
        for host in (name, spec["clusterIP"]):
            self.reaches(asker, host, number, wanted)
        if "nodePort" in spec["ports"][0]:
            for address in self.nodes.values():
                self.reaches(asker, address, spec["ports"][0]["nodePort"], wanted)

    def resolves(self, asker: str, name: str, kind: str, wanted: list[str]) -> None:
        """The data of a name's records."""

        def look() -> list[str]:
            said = self.run(asker, "/resolve", name, kind).out.splitlines()
            return [line.split(" ", 2)[2] for line in said if f" {kind} " in line]

        eventually(look, wanted, f"{name} {kind}")
