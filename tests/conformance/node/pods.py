"""Pods of one namespace on real nodes: made many at a time, waited for, looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from conformance.node.api import Api, Refused
from e2e.host import Cluster, Done
from e2e.manifests import BUSYBOX
from longboat.machinery.objects import Object

WITHIN = 60.0  # seconds that anything may take
SLEEP = "sleep 1000000"
PATIENT = f"trap 'exit 0' TERM; {SLEEP} & wait"  # ends as soon as it is asked to


def container(script: str = SLEEP, *, name: str = "main", **fields: Any) -> Object:
    """A container that runs a line of shell."""
    made = {"name": name, "image": BUSYBOX, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script]}
    return {**made, **fields}


def pod(name: str, *containers: Object, labels: dict[str, str] | None = None, **spec: Any) -> Object:
    """A pod that is not restarted and is stopped at once, unless `spec` says otherwise."""
    annotations = spec.pop("annotations", {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {}, "annotations": annotations},
        "spec": {
            "containers": list(containers) or [container()],
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            **spec,
        },
    }


class Pods:
    """Names are those of pods, unless said otherwise."""

    def __init__(self, cluster: Cluster, api: Api, namespace: str) -> None:
        self.cluster, self.api, self.namespace = cluster, api, namespace
        self.base = f"/api/v1/namespaces/{namespace}"

    def path(self, name: str, *subresource: str) -> str:
        return "/".join((f"{self.base}/pods", name, *subresource))

    def create(self, *objects: Object) -> None:
        plurals = {"Pod": "pods", "ConfigMap": "configmaps", "Secret": "secrets", "Service": "services"}
        for obj in objects:
            self.api.post(f"{self.base}/{plurals[obj['kind']]}", obj)

    def get(self, name: str) -> Object:
        return self.api.get(self.path(name))

    def every(self, labels: str = "") -> dict[str, Object]:
        items = self.api.get(f"{self.base}/pods?labelSelector={labels}")["items"]
        return {item["metadata"]["name"]: item for item in items}

    def delete(self, name: str, grace: int | None = None) -> None:
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": grace}
        self.api.ask("DELETE", self.path(name), options)

    def is_there(self, name: str) -> bool:
        try:
            self.get(name)
        except Refused as error:
            assert error.code == 404
            return False
        return True

    def until_gone(self, name: str) -> None:
        until(lambda: not self.is_there(name), lambda: f"{name} is still there: {self.get(name)}")

    def until(self, name: str, holds: Callable[[Object], Any], within: float = WITHIN) -> Object:
        """Wait until `holds` for the pod; the pod."""
        found: list[Object] = []

        def look() -> bool:
            found[:] = [self.get(name)]
            return bool(holds(found[0]))

        until(look, lambda: f"{name} is {found[0]['status']}, told: {self.events(name)}", within)
        return found[0]

    def finished(self, name: str, phase: str = "Succeeded") -> Object:
        """Wait for the end of the pod; it must be in this phase."""
        ended = self.until(name, lambda pod: pod["status"].get("phase") in ("Succeeded", "Failed"))
        assert ended["status"]["phase"] == phase, f"{ended['status']}, {self.log(name)}"
        return ended

    def ready(self, *names: str) -> None:
        for name in names:
            self.until(name, is_ready)

    def log(self, name: str, container: str = "") -> str:
        return self.api.ask("GET", self.path(name, f"log?container={container}")).decode()

    def said(self, name: str) -> list[str]:
        """The lines a pod has said by its successful end."""
        self.finished(name)
        return self.log(name).splitlines()

    def run(self, name: str, *command: str, container: str = "main") -> Done:
        return self.cluster.kubectl("exec", "-n", self.namespace, name, "-c", container, "--", *command)

    def sh(self, name: str, script: str, container: str = "main") -> str:
        return self.run(name, "sh", "-c", script, container=container).ok().out

    def events(self, name: str) -> list[tuple[str, str]]:
        items = self.api.get(f"{self.base}/events?fieldSelector=involvedObject.name={name}")["items"]
        return [(item["reason"], item["message"]) for item in items]


@contextmanager
def namespaced(cluster: Cluster, api: Api, name: str) -> Iterator[Pods]:
    """A namespace that goes in the background."""
    api.post("/api/v1/namespaces", {"metadata": {"name": name}})
    pods = Pods(cluster, api, name)
    account = f"{pods.base}/serviceaccounts?fieldSelector=metadata.name=default"
    until(lambda: api.get(account)["items"], "there is no default service account")
    try:
        yield pods
    finally:
        api.ask("DELETE", f"/api/v1/namespaces/{name}")


def until(holds: Callable[[], Any], problem: Callable[[], str] | str, within: float = WITHIN) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, problem if isinstance(problem, str) else problem()
        time.sleep(0.05)


def is_ready(pod: Object) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))


def state(pod: Object, name: str = "main") -> Object:
    """The status of one of the pod's containers, whatever its sort; empty if there is none yet."""
    kinds = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    every = [status for kind in kinds for status in pod["status"].get(kind, ())]
    return next((status for status in every if status["name"] == name), {})
