"""Jobs, and a node agent that is played for their pods: each runs, and ends as its test says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from longboat.client.interface import Key
from longboat.machinery.objects import Object, timestamp
from longboat.testing.cluster import Cluster

INDEX = "batch.kubernetes.io/job-completion-index"
TERMINATED = 143
BEAT = 20  # seconds
Fate = Callable[[Object], int | None]  # of a running pod: its exit code, or None where it runs on


def job(restart: str = "Never", **spec: Any) -> Object:
    pod = {"restartPolicy": restart, "containers": [{"name": "c", "image": "work:1"}]}
    return {"spec": {"parallelism": 2, "completions": 4, "template": {"spec": pod}, **spec}}


def indexed(completions: int, parallelism: int = 2, **spec: Any) -> Object:
    return job(completionMode="Indexed", completions=completions, parallelism=parallelism, **spec)


def index_of(pod: Object) -> int:
    return int(pod["metadata"]["annotations"][INDEX])


def succeeds(pod: Object) -> int | None:
    return 0


def fails(pod: Object) -> int | None:
    return 1


def runs_on(pod: Object) -> int | None:
    return None


async def pods_of(cluster: Cluster, phase: str = "", name: str = "work") -> list[Object]:
    found = await cluster.list("pods", labels=f"batch.kubernetes.io/job-name={name}")
    return [pod for pod in found if phase in ("", pod["status"]["phase"])]


async def tell(cluster: Cluster, pod: Object, phase: str, code: int | None = None, restarts: int = 0) -> None:
    """The agent's word on a pod: running and ready, or ended with this exit code."""
    now = timestamp(cluster.clock.now())
    state = {"running": {"startedAt": now}} if code is None else {"terminated": {"exitCode": code, "finishedAt": now}}
    container = {"name": "c", "image": "work:1", "imageID": "", "restartCount": restarts, "ready": code is None}
    ready = {"type": "Ready", "status": "True" if code is None else "False", "lastTransitionTime": now}
    status = {"phase": phase, "conditions": [ready], "containerStatuses": [{**container, "state": state}]}
    await cluster.patch(f"pod/{pod['metadata']['name']}", {"status": status}, subresource="status")


async def act(cluster: Cluster, fate: Fate) -> bool:
    """One round of the agent. Whether there was anything to do."""
    acted = False
    for pod in await cluster.list("pods"):
        phase, going = pod["status"]["phase"], pod["metadata"].get("deletionTimestamp")
        code = TERMINATED if going and phase in ("Pending", "Running") else None
        if code is None and phase == "Running":
            code = fate(pod)
        if code is not None:
            await tell(cluster, pod, "Failed" if code else "Succeeded", code)
        elif going and not pod["metadata"].get("finalizers"):
            await cluster.client.delete(cluster.kind("pod"), Key("default", pod["metadata"]["name"]), grace=0)
        elif phase == "Pending" and pod["spec"].get("nodeName"):
            await tell(cluster, pod, "Running")
        else:
            continue
        acted = True
        await cluster.settle()
    return acted


async def run(cluster: Cluster, fate: Fate = runs_on) -> None:
    """Play the agent until there is nothing to do before time goes on."""
    await cluster.settle()
    while await act(cluster, fate):
        pass


def lease(node: str, renewed: str) -> Object:
    meta = {"name": node, "namespace": "kube-node-lease"}
    spec = {"holderIdentity": node, "renewTime": renewed.replace("Z", ".000000Z"), "leaseDurationSeconds": 40}
    return {"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "metadata": meta, "spec": spec}


async def wait(cluster: Cluster, seconds: int) -> None:
    """Let time go by, the node giving signs of life."""
    while seconds > 0:
        await cluster.apply(lease("n0", timestamp(cluster.clock.now())))
        await cluster.clock.advance(min(seconds, BEAT))
        seconds -= BEAT


async def finish(cluster: Cluster, fate: Fate, name: str = "work") -> Object:
    """Let time go by until the Job has ended; its status."""
    for _ in range(100):
        await run(cluster, fate)
        status: Object = (await cluster.get(f"job/{name}"))["status"]
        if {"Complete", "Failed"} & set(reasons(status)):
            return status
        await wait(cluster, 10)
    raise AssertionError(f"the Job does not end: {status}")


def reasons(status: Object) -> dict[str, str]:
    """The conditions that hold, each with its reason."""
    return {c["type"]: c.get("reason", "") for c in status.get("conditions", ()) if c["status"] == "True"}


def nothing_left(status: Object) -> bool:
    """Whether no pod is at work, ready, on its way out or uncounted."""
    counts = [status.get(field, 0) for field in ("active", "ready", "terminating")]
    return counts == [0, 0, 0] and status["uncountedTerminatedPods"] == {}
