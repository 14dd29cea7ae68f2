"""Which pod has to go first when something runs short, and what is said of it (kubelet's rules and words). Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from longboat.api import resources
from longboat.machinery import quantity
from longboat.node.eviction import signals
from longboat.node.eviction.signals import INODES, PROCESSES, STORAGE, Observation
from longboat.node.eviction.thresholds import Threshold
from longboat.node.eviction.usage import EVERYTHING, PodUse
from longboat.node.make import cgroups
from longboat.node.views.pod import Pod

Rank = tuple[int, ...]  # the lowest goes first


def ranked(
    resource: str, pods: Iterable[Pod], uses: Mapping[str, PodUse], parts: Collection[str] = EVERYTHING
) -> list[tuple[Rank, Pod]]:
    """Who has to go first comes first: who is over what it asked for, is less important, and is over it by more.
    `uses` are by uid; `parts` of what is on disk are those that lie where it is scarce."""
    order = sorted(((rank(resource, pod, uses.get(pod.uid), parts), pod.uid, pod) for pod in pods), key=lambda e: e[:2])
    return [(found, pod) for found, _, pod in order]


def rank(resource: str, pod: Pod, use: PodUse | None, parts: Collection[str] = EVERYTHING) -> Rank:
    """Of whom nothing is known goes first. Nobody can ask for inodes or processes: there the more important stay."""
    priority = pod.spec.priority
    if use is None:
        return (0, 0, priority, 0)
    if resource == PROCESSES:
        return (1, 0, priority, -use.processes)
    asked = cgroups.requests(pod).get(resource, 0)
    used = {STORAGE: use.disk(parts).bytes, INODES: use.disk(parts).inodes, "memory": use.memory}[resource]
    return (1, 0 if used > asked else 1, priority, -(used - asked))


def message(
    resource: str, pod: Pod, use: PodUse | None, met: Iterable[Threshold], seen: Mapping[str, Observation]
) -> tuple[str, dict[str, str]]:
    """What is said of the pod's end, and annotations of the Event that says it."""
    said = f"The node was low on resource: {resource}. "
    for threshold in met:
        observed = seen.get(threshold.signal)
        if observed is not None and signals.RESOURCE[threshold.signal] == resource:
            available = signals.shown(threshold.signal, observed.available)
            said += f"Threshold quantity: {threshold.value.of(observed.capacity)}, available: {available}. "
            break
    if use is None:
        return said, {}
    notes: dict[str, str] = {}
    whole = pod.spec.resources.requests.get(resource) if resource == "memory" and pod.spec.resources else None
    if whole is not None:
        used = signals.shown(signals.MEMORY, use.memory)
        said += _larger("Pod", pod.metadata.name, used, whole, resource)
        notes |= {"offending_pod": pod.metadata.name, "offending_pod_usage": used}
    over = _over(resource, pod, use)
    for name, used, asked in over:
        said += _larger("Container", name, used, asked, resource)
    notes["offending_containers"] = ",".join(name for name, _, _ in over)
    notes["offending_containers_usage"] = ",".join(used for _, used, _ in over)
    notes["starved_resource"] = resource
    return said, notes


def _over(resource: str, pod: Pod, use: PodUse) -> list[tuple[str, str, str]]:
    """Containers that have taken more than they asked for: name, how much, and what they asked for."""
    measured: Callable[[str], int]
    if resource == "memory":
        measured = lambda name: use.containers[name].memory  # noqa: E731
    elif resource == STORAGE:
        measured = lambda name: use.containers[name].root.plus(use.containers[name].logs).bytes  # noqa: E731
    else:
        return []
    found = []
    for container in (*pod.spec.containers, *pod.spec.initContainers):
        if container.name not in use.containers:
            continue
        asked = container.resources.requests.get(resource, "0")
        if (used := measured(container.name)) > resources.amount(resource, asked):
            found.append((container.name, signals.shown(signals.NODEFS, used), str(quantity.parse(asked))))
    return found


def _larger(what: str, name: str, used: str, asked: str, resource: str) -> str:
    return f"{what} {name} was using {used}, request is {asked}, has larger consumption of {resource}. "
