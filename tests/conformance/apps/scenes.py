"""What the entries on workloads share: templates, and what is asked again and again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import msgspec

from conformance.verbs import Verbs
from integration.workloads import until_quiet
from longboat.client.interface import Key
from longboat.machinery.objects import Object, timestamp
from longboat.testing.cluster import Cluster


def pod_template(app: str = "web", image: str = "web:1", **spec: Any) -> Object:
    container = {"name": "c", "image": image}
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": [container], **spec}}


def workload(replicas: int = 1, app: str = "web", image: str = "web:1", **spec: Any) -> Object:
    """The spec of a Deployment, ReplicaSet or StatefulSet."""
    selector = {"matchLabels": {"app": app}}
    return {"spec": {"replicas": replicas, "selector": selector, "template": pod_template(app, image), **spec}}


def new_image(image: str) -> Object:
    """A strategic merge patch."""
    return {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}


async def pods(cluster: Cluster, labels: str = "app=web") -> dict[str, Object]:
    """By name, those that are not on their way out."""
    found = await cluster.list("pods", labels=labels)
    return {pod["metadata"]["name"]: pod for pod in found if not pod["metadata"].get("deletionTimestamp")}


async def running(cluster: Cluster, labels: str = "app=web") -> int:
    """How many pods run, when all has come to rest."""
    await until_quiet(cluster)
    return sum(pod["status"]["phase"] == "Running" for pod in (await pods(cluster, labels)).values())


def image_of(obj: Object) -> str:
    """Of a pod, or of what has a template."""
    spec = obj["spec"].get("template", obj)["spec"]
    found: str = spec["containers"][0]["image"]
    return found


def controller(obj: Object) -> Object | None:
    return next((each for each in obj["metadata"].get("ownerReferences", ()) if each.get("controller")), None)


async def set_status(cluster: Cluster, pod: str, phase: str, *, ready: bool = True) -> None:
    """Play the node agent."""
    now = timestamp(cluster.clock.now())
    condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": now}
    await cluster.patch(f"pod/{pod}", {"status": {"phase": phase, "conditions": [condition]}}, subresource="status")
    await cluster.settle()


def condition_of(obj: Object, kind: str) -> Object | None:
    return next((each for each in obj["status"].get("conditions", ()) if each["type"] == kind), None)


async def check_status_subresource(cluster: Cluster, kind: str, body: Object) -> None:
    """Read, update and patch the status of an object that a controller looks after; all of it must be seen."""
    verbs = Verbs(cluster, kind)
    await verbs.create("web", body, labels={"e2e": "testing"})
    await until_quiet(cluster)
    spec = (await verbs.read("web"))["spec"]
    assert (await verbs.read("web", "status"))["status"]["observedGeneration"] == 1
    told = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from a test"}

    def tell(obj: Object) -> None:
        obj["status"].setdefault("conditions", []).append(told)
        obj["spec"]["minReadySeconds"] = 99

    seen_from = (await verbs.update("web", tell, "status"))["metadata"]["resourceVersion"]
    for found in (await verbs.read("web"), await verbs.read("web", "status"), *await verbs.list("e2e=testing")):
        condition = condition_of(found, "StatusUpdate")
        assert condition and told.items() <= condition.items()
        assert found["spec"] == spec, "writing the status changes nothing else"
    change = {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}
    patched = await verbs.patch("web", change, subresource="status")
    assert condition_of(patched, "StatusPatched")
    assert condition_of(await verbs.read("web", "status"), "StatusPatched")
    await watched(verbs, seen_from, lambda obj: condition_of(obj, "StatusPatched") is not None)
    await verbs.delete("web")


async def watched(verbs: Verbs, since: str, wanted: Callable[[Object], bool]) -> None:
    """Returns when a watch from a resourceVersion on has shown an object that is as wanted. Raises TimeoutError."""
    stream = verbs.cluster.client.watch(verbs.kind, since, namespace=verbs.namespace)
    async with asyncio.timeout(5), contextlib.aclosing(stream):  # type: ignore[type-var]
        async for event in stream:
            if event.type == "MODIFIED" and wanted(msgspec.json.decode(event.object)):
                return


async def check_scale_subresource(cluster: Cluster, kind: str) -> None:
    """From one replica to two by an update, and to four by a patch."""
    verbs = Verbs(cluster, kind)
    await verbs.create("web", workload())
    assert await running(cluster) == 1
    scale = await verbs.read("web", "scale")
    assert (scale["kind"], scale["spec"]["replicas"], scale["status"]["replicas"]) == ("Scale", 1, 1)
    assert scale["status"]["selector"] == "app=web"

    def double(obj: Object) -> None:
        obj["spec"]["replicas"] = 2

    assert (await verbs.update("web", double, "scale"))["spec"]["replicas"] == 2
    assert (await verbs.read("web"))["spec"]["replicas"] == 2
    assert await running(cluster) == 2
    patched = await verbs.patch("web", {"spec": {"replicas": 4}}, subresource="scale")
    assert patched["spec"]["replicas"] == 4
    assert (await verbs.read("web"))["spec"]["replicas"] == 4
    assert await running(cluster) == 4
    assert (await verbs.read("web", "scale"))["status"]["replicas"] == 4


async def check_collection(cluster: Cluster, kind: str, body: Object) -> None:
    """List by label, and delete so; another object stays."""
    verbs = Verbs(cluster, kind)
    await verbs.create("web", body, labels={"e2e": "listed"})
    other: Object = msgspec.json.decode(msgspec.json.encode(body))
    other["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    other["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    await verbs.create("other", other)
    await until_quiet(cluster)
    assert await pods(cluster)
    assert [each["metadata"]["name"] for each in await verbs.list("e2e=listed")] == ["web"]
    await verbs.delete_collection("e2e=listed")
    assert await verbs.list("e2e=listed") == []
    await until_quiet(cluster)
    assert not await pods(cluster), "what it owned goes too"
    assert [each["metadata"]["name"] for each in await verbs.list()] == ["other"]
    assert await pods(cluster, "app=other")


async def delete_pod(cluster: Cluster, name: str) -> None:
    await cluster.client.delete(cluster.kind("pod"), Key("default", name), grace=0)
    await cluster.settle()
