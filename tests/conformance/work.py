"""Workloads of one namespace on real nodes: made, changed and watched through the API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from conformance.node.api import Refused
from conformance.node.pods import PATIENT, WITHIN, Pods, container, is_ready, until
from e2e.manifests import BUSYBOX, WEB
from longboat.machinery.objects import Object

ROOTS = {"apps/v1": "/apis/apps/v1", "batch/v1": "/apis/batch/v1", "policy/v1": "/apis/policy/v1", "v1": "/api/v1"}
GROUPS = {
    "ControllerRevision": "apps/v1", "DaemonSet": "apps/v1", "Deployment": "apps/v1", "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1", "CronJob": "batch/v1", "Job": "batch/v1", "PodDisruptionBudget": "policy/v1",
}  # fmt: skip
OLD, NEW = BUSYBOX, WEB  # images that both run a line of shell
SITE = "trap 'exit 0' TERM; mkdir -p /www; echo here >/www/index.html; httpd -f -p 80 -h /www & wait"
WELL = {
    "httpGet": {"path": "/index.html", "port": 80},
    "periodSeconds": 1,
    "successThreshold": 1,
    "failureThreshold": 1,
}


def labels_of(obj: Object) -> dict[str, str]:
    found: dict[str, str] = obj["metadata"].get("labels", {})
    return found


def template(script: str = PATIENT, app: str = "web", *, image: str = OLD, **spec: Any) -> Object:
    """Of pods with one container, `main`, that end as soon as they are asked to, or a second later."""
    made = {"containers": [container(script, image=image)], "terminationGracePeriodSeconds": 1, **spec}
    return {"metadata": {"labels": {"app": app}}, "spec": made}


def site(app: str = "web", **fields: Any) -> Object:
    """A template of pods that serve one page, and are ready while there is that page."""
    main = container(SITE, readinessProbe=WELL, **fields)
    return template(app=app, containers=[main])


def workload(replicas: int = 1, of: Object | None = None, **spec: Any) -> Object:
    """The spec of a Deployment, ReplicaSet or StatefulSet."""
    of = of or template()
    return {"replicas": replicas, "selector": {"matchLabels": of["metadata"]["labels"]}, "template": of, **spec}


def new_image(image: str = NEW) -> Object:
    """A strategic merge patch."""
    return {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}}}


def image_of(obj: Object) -> str:
    """Of a pod, or of what has a template."""
    spec = obj["spec"].get("template", obj)["spec"]
    found: str = spec["containers"][0]["image"]
    return found


class Work(Pods):
    """Objects go by kind and name."""

    def place(self, kind: str, *name: str) -> str:
        root = ROOTS[GROUPS.get(kind, "v1")]
        return "/".join((f"{root}/namespaces/{self.namespace}/{kind.lower().removesuffix('s')}s", *name))

    def make(self, kind: str, name: str, spec: Object, labels: dict[str, str] | None = None, **meta: Any) -> Object:
        obj = {"metadata": {"name": name, "labels": labels or {}, **meta}, "spec": spec}
        return self.api.post(self.place(kind), {"kind": kind, "apiVersion": GROUPS.get(kind, "v1"), **obj})

    def read(self, kind: str, name: str, *sub: str) -> Object:
        return self.api.get(self.place(kind, name, *sub))

    def find(self, kind: str, labels: str = "") -> list[Object]:
        found: list[Object] = self.api.get(f"{self.place(kind)}?labelSelector={labels}")["items"]
        return found

    def alter(self, kind: str, name: str, patch: Any, *sub: str, style: str = "strategic") -> Object:
        return self.api.patch(self.place(kind, name, *sub), patch, style)

    def update(self, kind: str, name: str, change: Callable[[Object], object], *sub: str) -> Object:
        """Read it, change it, and write it back whole; again where somebody has written meanwhile."""
        while True:
            found = self.read(kind, name, *sub)
            change(found)
            try:
                return self.api.put(self.place(kind, name, *sub), found)
            except Refused as refused:
                if refused.reason != "Conflict":
                    raise

    def remove(self, kind: str, name: str, **options: Any) -> None:
        self.api.ask("DELETE", self.place(kind, name), {"kind": "DeleteOptions", "apiVersion": "v1", **options})

    def remove_all(self, kind: str, labels: str, **options: Any) -> None:
        body = {"kind": "DeleteOptions", "apiVersion": "v1", **options}
        self.api.ask("DELETE", f"{self.place(kind)}?labelSelector={labels}", body)

    def evict(self, pod: str) -> None:
        """Raises Refused."""
        wish = {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": pod}}
        self.api.post(self.path(pod, "eviction"), wish)

    def is_left(self, kind: str, name: str) -> bool:
        try:
            self.read(kind, name)
        except Refused as refused:
            assert refused.code == 404
            return False
        return True

    def comes_to(self, kind: str, name: str, holds: Callable[[Object], Any], within: float = 60) -> Object:
        """Wait until it holds for the object; the object."""
        found: list[Object] = []

        def look() -> bool:
            found[:] = [self.read(kind, name)]
            return bool(holds(found[0]))

        until(look, lambda: f"{kind} {name} is {found[0]}, pods: {self.phases()}", within)
        return found[0]

    def status_of(self, kind: str, name: str, within: float = 60, **wanted: Any) -> Object:
        """Wait until fields of the status have these values, as of what is asked for now; the object."""

        def holds(obj: Object) -> bool:
            status = obj.get("status", {})
            seen = status.get("observedGeneration", 0) >= obj["metadata"].get("generation", 0)
            return seen and all(status.get(field, 0) == value for field, value in wanted.items())

        return self.comes_to(kind, name, holds, within)

    def history(self, kind: str, since: str, labels: str = "") -> Iterator[tuple[str, Object]]:
        """What has happened from a resourceVersion on, and goes on to happen."""
        query = f"watch=1&resourceVersion={since}&labelSelector={labels}"
        for event in self.api.watch(f"{self.place(kind)}?{query}", WITHIN):
            yield event["type"], event["object"]

    def now(self, kind: str = "Pod") -> str:
        """The resourceVersion of the moment."""
        found: str = self.api.get(self.place(kind))["metadata"]["resourceVersion"]
        return found

    def all_ready(self, count: int, labels: str = "app=web") -> dict[str, Object]:
        """Wait until there are so many pods, all of them ready and none on its way out; by name."""
        found: dict[str, Object] = {}

        def look() -> bool:
            found.clear()
            found.update(self.every(labels))
            return len(found) == count and all(map(stays, found.values()))

        until(look, lambda: f"not {count} ready: {self.phases()}")
        return dict(sorted(found.items()))

    def phases(self) -> list[tuple[str, str, bool]]:
        return [(name, pod["status"]["phase"], is_ready(pod)) for name, pod in self.every().items()]


def stays(pod: Object) -> bool:
    return is_ready(pod) and "deletionTimestamp" not in pod["metadata"]
