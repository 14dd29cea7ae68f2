"""Where a pod's processes are accounted, and with which limits (kubelet's cgroup layout and arithmetic)."""

from __future__ import annotations

from typing import NamedTuple

from longboat.api import resources as api
from longboat.api.resources import Amounts
from longboat.node.cri.config import Resources
from longboat.node.views.container import Container
from longboat.node.views.pod import Pod

PERIOD = 100_000  # microseconds
MIN_SHARES, MAX_SHARES = 2, 262_144
MIN_QUOTA = 1000
MIN_MILLI_LIMIT = 10  # what that quota stands for
NO_LIMIT = 1 << 62  # bytes of memory: version 1 of cgroups tells about as much where there is no limit
GUARANTEED, BURSTABLE, BEST_EFFORT = "Guaranteed", "Burstable", "BestEffort"
CRITICAL_PRIORITY = 2_000_000_000
_OOM = {GUARANTEED: -997, BEST_EFFORT: 1000}
_QOS_RESOURCES = ("cpu", "memory")


class Limits(NamedTuple):
    """cgroup v1 figures; 0 stands for no limit."""

    shares: int = MIN_SHARES
    quota: int = 0
    memory: int = 0


def qos(pod: Pod) -> str:
    """The quality of service class: that of the status, where the API server has set it."""
    if pod.status.qosClass:
        return pod.status.qosClass
    parts = [pod.spec.resources] if pod.spec.resources else []
    parts = parts or [c.resources for c in (*pod.spec.initContainers, *pod.spec.containers)]
    named = [
        {r for r in _QOS_RESOURCES if api.amounts(given).get(r)} for p in parts for given in (p.requests, p.limits)
    ]
    if not any(named):
        return BEST_EFFORT
    guaranteed = all(
        (limits := api.amounts(p.limits)).keys() >= set(_QOS_RESOURCES)
        and all(api.amounts(p.requests).get(r, limits[r]) == limits[r] for r in _QOS_RESOURCES)
        for p in parts
    )
    return GUARANTEED if guaranteed else BURSTABLE


def shares(milli: int) -> int:
    return MIN_SHARES if milli <= 0 else min(max(milli * 1024 // 1000, MIN_SHARES), MAX_SHARES)


def quota(milli: int) -> int:
    return 0 if milli <= 0 else max(milli * PERIOD // 1000, MIN_QUOTA)


def milli_of_shares(shares: int) -> int:
    """The request that these shares stand for."""
    return 0 if shares < MIN_SHARES else -(-shares * 1000 // 1024)


def milli_of_quota(quota: int, period: int) -> int:
    return quota * 1000 // period if quota > 0 and period > 0 else 0


def weight(shares: int) -> int:
    """The kernel's weights are 1 to 10000 where shares are 2 to 262144 (KEP-2254)."""
    return 1 + (shares - 2) * 9999 // 262142


def shares_of_weight(weight: int) -> int:
    """The least shares of this weight."""
    return 2 - (-(weight - 1) * 262142 // 9999)


def qos_parent(root: str, quality: str) -> str:
    """The cgroup above all pods of one class."""
    base = f"{root.rstrip('/')}/kubepods"
    return base if quality == GUARANTEED else f"{base}/{quality.lower()}"


def pod_parent(root: str, pod: Pod) -> str:
    """The cgroup of one pod."""
    return f"{qos_parent(root, qos(pod))}/pod{pod.uid}"


def requests(pod: Pod) -> Amounts:
    """What a pod as a whole asks for."""
    spec = pod.spec
    return api.requests(spec.containers, spec.initContainers, spec.overhead, spec.resources)


def pod_limits(pod: Pod) -> Limits:
    """What a pod as a whole may use: a limit holds only where every container has one."""
    spec, asked = pod.spec, requests(pod)
    limited = api.requests(
        [_limits_as_requests(c) for c in spec.containers], [_limits_as_requests(c) for c in spec.initContainers],
        spec.overhead,
    )  # fmt: skip
    whole = api.amounts(spec.resources.limits) if spec.resources else {}
    everything = [*spec.containers, *spec.initContainers]

    def limit(name: str) -> int:
        if name in whole:
            return whole[name]
        return limited.get(name, 0) if all(name in c.resources.limits for c in everything) else 0

    return Limits(shares(asked.get("cpu", 0)), quota(limit("cpu")), limit("memory"))


def _limits_as_requests(container: Container) -> api.ResourceContainer:
    return api.ResourceContainer(
        name=container.name,
        restartPolicy=container.restartPolicy,
        resources=api.Resources(requests=container.resources.limits),
    )


def container_resources(pod: Pod, container: Container, capacity: Amounts) -> Resources:
    """The container's own cgroup. `capacity` is the node's, for the out-of-memory score."""
    asked, limited = api.amounts(container.resources.requests), api.amounts(container.resources.limits)
    cpu = asked.get("cpu") or limited.get("cpu", 0)
    limit = quota(limited.get("cpu", 0))
    return Resources(
        cpu_period=PERIOD if limit else 0,
        cpu_quota=limit,
        cpu_shares=shares(cpu),
        memory_limit=limited.get("memory", 0),
        oom_score_adj=oom_score(pod, container, capacity.get("memory", 0)),
        hugepages={
            f"{name.removeprefix('hugepages-').rstrip('i')}B": size
            for name, size in limited.items()
            if name.startswith("hugepages-")
        },
    )


def oom_score(pod: Pod, container: Container, capacity: int) -> int:
    """The more a container uses of what it did not ask for, the sooner it goes when memory runs out."""
    quality = qos(pod)
    if pod.spec.priority >= CRITICAL_PRIORITY:
        return _OOM[GUARANTEED]
    if quality in _OOM:
        return _OOM[quality]
    if not capacity:
        return 999
    score = _score(container, capacity)
    if container.is_sidecar:
        score = min(score, *(_score(c, capacity) for c in pod.spec.containers))
    return score


def _score(container: Container, capacity: int) -> int:
    asked = api.amounts(container.resources.requests).get("memory", 0)
    return min(max(1000 - 1000 * asked // capacity, 3), 999)
