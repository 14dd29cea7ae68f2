"""Manifests of claims and of pods that use them, and what the machine has mounted and attached."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from e2e.host import Cluster
from e2e.manifests import WEB


def claim(name: str, size: str = "64Mi", storage_class: str | None = None, **spec: Any) -> dict[str, Any]:
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
    if storage_class is not None:
        asked["storageClassName"] = storage_class
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": asked}


def user(
    name: str, *volumes: dict[str, Any], node: str = "", command: str = "sleep 1000000", **spec: Any
) -> dict[str, Any]:
    """A pod with each volume mounted at /NAME; those with a key `device` are at /dev/NAME."""
    listed = [{k: v for k, v in volume.items() if k != "device"} for volume in volumes]
    main: dict[str, Any] = {"name": "main", "image": WEB, "command": ["sh", "-c", command]}
    main["volumeMounts"] = [{"name": v["name"], "mountPath": f"/{v['name']}"} for v in volumes if "device" not in v]
    devices = [{"name": v["name"], "devicePath": f"/dev/{v['name']}"} for v in volumes if "device" in v]
    if devices:
        main["volumeDevices"] = devices
    where = {"nodeName": node} if node else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [main], "volumes": listed, "terminationGracePeriodSeconds": 1, **where, **spec},
    }


def claimed(name: str = "data", claim_name: str = "data", **more: Any) -> dict[str, Any]:
    """A volume of a pod."""
    return {"name": name, "persistentVolumeClaim": {"claimName": claim_name, **more}}


def storage_class(name: str, provisioner: str, **more: Any) -> dict[str, Any]:
    head = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
    return {**head, "provisioner": provisioner, "allowVolumeExpansion": True, **more}


class Namespaced:
    """A cluster, seen from one of its namespaces."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace
        cluster.kubectl("config", "set-context", "--current", f"--namespace={namespace}").quiet()

    def apply(self, *objects: Any) -> None:
        self.cluster.apply(*objects)

    def ready(self, *pods: str, within: int = 60) -> None:
        for pod in pods:
            done = self.cluster.kubectl("wait", "--for=condition=Ready", f"pod/{pod}", f"--timeout={within}s")
            assert done.code == 0, f"{done.err}\n{self.events(pod)}"

    def sh(self, pod: str, command: str) -> str:
        return self.cluster.kubectl("exec", pod, "--", "sh", "-c", command).ok().out

    def fails(self, pod: str, command: str) -> str:
        done = self.cluster.kubectl("exec", pod, "--", "sh", "-c", command)
        assert done.code != 0, done.out
        return done.err

    def delete(self, *what: str) -> None:
        self.cluster.kubectl("delete", *what, "--timeout=60s").ok()

    def ask_for(self, name: str, size: str) -> None:
        """Let a claim ask for another size."""
        patch = {"spec": {"resources": {"requests": {"storage": size}}}}
        self.cluster.kubectl("patch", "pvc", name, "-p", json.dumps(patch)).quiet()

    def get(self, *what: str) -> Any:
        return self.cluster.get(*what)

    def events(self, name: str) -> list[tuple[str, str]]:
        """(reason, message) of what was told about an object."""
        found = self.cluster.get("events", f"--field-selector=involvedObject.name={name}")["items"]
        return [(event["reason"], event["message"]) for event in found]

    def told(self, name: str, reason: str, words: str, within: float = 30) -> str:
        """Wait for an Event; its message."""
        return until(
            lambda: next((m for r, m in self.events(name) if r == reason and words in m), ""),
            lambda: f"no {reason} with {words!r} about {name}: {self.events(name)}", within,
        )  # fmt: skip


def until(found: Callable[[], Any], problem: Callable[[], str] | str, within: float = 30) -> Any:
    deadline = time.monotonic() + within
    while not (answer := found()):
        assert time.monotonic() < deadline, problem if isinstance(problem, str) else problem()
        time.sleep(0.2)
    return answer


def loop_devices(folder: Path) -> list[str]:
    """The files in a directory that are attached to loop devices."""
    found = []
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            backing = path.read_text().strip()
        except (FileNotFoundError, OSError):
            continue  # detached meanwhile
        if backing.startswith(f"{folder}/"):
            found.append(backing)
    return found
