"""What the entries on scheduling do alike, on real nodes: pods of a size, what nodes offer, what the scheduler says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from conformance.node.api import Refused
from conformance.node.pods import PATIENT, container, pod, until
from conformance.work import Work
from longboat.machinery.objects import Object

NODES, CLASSES = "/api/v1/nodes", "/apis/scheduling.k8s.io/v1/priorityclasses"
Amounts = Mapping[str, str]


def pause(name: str, asks: Amounts | None = None, **spec: Any) -> Object:
    """A pod that does nothing, with these requests and limits, and a second to end."""
    resources = {"requests": dict(asks), "limits": dict(asks)} if asks else {}
    fields = {"ports": spec.pop("ports")} if "ports" in spec else {}
    main = container(PATIENT, resources=resources, **fields)
    return pod(name, main, restartPolicy="Always", terminationGracePeriodSeconds=1, **spec)


def only_on(node: str, label: str = "") -> Object:
    """Fields of a pod's spec: it must go to the node of this name, or with this value of a label."""
    kind, key = ("matchExpressions", label) if label else ("matchFields", "metadata.name")
    term = {kind: [{"key": key, "operator": "In", "values": [node]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return {"affinity": {"nodeAffinity": required}}


def nodes(work: Work) -> list[Object]:
    """Those that are ready and take pods."""
    found: list[Object] = work.api.get(NODES)["items"]
    return [node for node in found if is_ready(node) and not node["spec"].get("unschedulable")]


def is_ready(node: Object) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"]["conditions"])


def name_of(obj: Object) -> str:
    name: str = obj["metadata"]["name"]
    return name


def runs(work: Work, name: str) -> Object:
    return work.until(name, lambda found: found["status"].get("phase") == "Running")


def found_by_running(work: Work) -> str:
    """The name of a node that can run a pod: one ran there, and is gone."""
    work.create(pause("without-label"))
    node: str = runs(work, "without-label")["spec"]["nodeName"]
    work.delete("without-label", 0)
    work.until_gone("without-label")
    return node


@contextmanager
def labelled(work: Work, node: str, key: str = "", value: str = "42") -> Iterator[dict[str, str]]:
    """A node selector for a label that the node has meanwhile: by default one that nothing has had before."""
    key = key or f"kubernetes.io/e2e-{uuid4()}"
    path = f"{NODES}/{node}"
    work.api.patch(path, {"metadata": {"labels": {key: value}}})
    try:
        assert work.api.get(path)["metadata"]["labels"][key] == value
        yield {key: value}
    finally:
        work.api.patch(path, {"metadata": {"labels": {key: None}}})


@contextmanager
def offering(work: Work, amounts: Amounts, *names: str) -> Iterator[None]:
    """Nodes that somebody says to have extended resources; they go on to have them as they report their own."""

    def write(offered: Mapping[str, str | None]) -> None:
        for name in names:
            change = {"status": {"capacity": offered, "allocatable": offered}}
            work.api.patch(f"{NODES}/{name}/status", change, "strategic")

    write(amounts)
    try:
        yield
    finally:
        write(dict.fromkeys(amounts))


@contextmanager
def classes(work: Work, **values: int) -> Iterator[None]:
    """PriorityClasses, by name, with their values."""
    for name, value in values.items():
        prioritized(work, name, value)
    try:
        yield
    finally:
        for name in values:
            work.api.ask("DELETE", f"{CLASSES}/{name}", {"gracePeriodSeconds": 0})


def prioritized(work: Work, name: str, value: int, **meta: Any) -> Object:
    kind = {"kind": "PriorityClass", "apiVersion": "scheduling.k8s.io/v1"}
    return work.api.post(CLASSES, {**kind, "metadata": {"name": name, **meta}, "value": value})


def refused(work: Work, name: str) -> str:
    """Wait until the scheduler has said that the pod goes nowhere, in an Event and in its condition; why."""

    def told() -> list[str]:
        return [message for reason, message in work.events(name) if reason == "FailedScheduling"]

    until(told, lambda: f"nobody says that {name} fits nowhere: {work.get(name)}, {work.events(name)}")
    found = work.until(name, lambda found: found["status"].get("conditions"))
    (condition,) = found["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("PodScheduled", "False"), found["status"]
    assert (condition["reason"], found["status"]["phase"]) == ("Unschedulable", "Pending")
    assert condition["observedGeneration"] == found["metadata"]["generation"]
    message: str = condition["message"]
    until(lambda: message in told(), lambda: f"{message!r} is in none of {told()}")  # Events are written beside
    return message


def counted(work: Work, scheduled: int, waiting: int) -> None:
    """So many pods of the namespace have a node, and their condition says so; so many have none."""
    placed = [each for each in work.every().values() if each["spec"].get("nodeName")]
    for found in placed:
        (said,) = [each for each in found["status"]["conditions"] if each["type"] == "PodScheduled"]
        assert said["status"] == "True"
    assert (len(placed), len(work.every()) - len(placed)) == (scheduled, waiting), work.phases()


def is_going(work: Work, name: str) -> bool:
    """Whether the pod is gone, or asked to go."""
    try:
        return "deletionTimestamp" in work.get(name)["metadata"]
    except Refused as error:
        assert error.code == 404
        return True
