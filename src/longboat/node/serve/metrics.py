"""The node's figures for Prometheus, under upstream's names. Pure, but for what is said of the machine (blocking).

Help texts, labels and stability levels are those of the kubelet's (reference "Kubernetes Metrics", v1.36).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from longboat.machinery.exposition import Family, Sample, text
from longboat.node import labels
from longboat.node.cri.interface import Usage
from longboat.node.serve import stats
from longboat.node.views.pod import Pod

POD = ("pod", "namespace")
SCRAPE_ERROR = "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise"
SWAP = "Reported only on non-windows systems"


@dataclass
class _Sums:
    """Of a pod's containers."""

    cpu: float = 0.0
    memory: int = 0
    swap: int | None = None
    at: float = 0.0


def resources(usages: Iterable[Usage] | None, since: Mapping[str, float], now: float) -> str:
    """/metrics/resource, which metrics-server reads. `usages` is None where the runtime did not say.

    `since` says when each container (by id) began. Blocks.
    """
    failed = Family("resource_scrape_error", "gauge", SCRAPE_ERROR, [Sample(int(usages is None))])
    return text([*_used(_newest(usages, since), since, now), failed] if usages is not None else [failed])


def _used(usages: Iterable[Usage], since: Mapping[str, float], now: float) -> list[Family]:
    cpu, memory, swap, most, began = list[Sample](), list[Sample](), list[Sample](), list[Sample](), list[Sample]()
    pods: defaultdict[tuple[str, str], _Sums] = defaultdict(_Sums)
    for usage in usages:
        place = _place(usage)
        where, sums = {"container": usage.name, **_of(place)}, pods[place]
        cpu.append(Sample(usage.cpu / 1e9, where, usage.at))
        memory.append(Sample(usage.memory, where, usage.at))
        if usage.id in since:
            began.append(Sample(since[usage.id], where))
        if usage.swap is not None:
            swap.append(Sample(usage.swap, where, usage.at))
            sums.swap = (sums.swap or 0) + usage.swap
        if usage.swap_left is not None:
            most.append(Sample(usage.swap_left + (usage.swap or 0), where, usage.at))
        sums.cpu, sums.memory, sums.at = sums.cpu + usage.cpu / 1e9, sums.memory + usage.memory, max(sums.at, usage.at)
    of_pods = [(sums, _of(place)) for place, sums in pods.items()]
    in_core_seconds = "Cumulative cpu time consumed by the {} in core-seconds"
    working_set, swap_used = "Current working set of the {} in bytes", "Current amount of the {} swap usage in bytes. "
    return [
        _counter("node_cpu_usage_seconds_total", in_core_seconds.format("node"), [Sample(stats.node_cpu(), at=now)]),
        _gauge("node_memory_working_set_bytes", working_set.format("node"), [Sample(stats.node_memory()[0], at=now)]),
        _gauge("node_swap_usage_bytes", f"Current swap usage of the node in bytes. {SWAP}",
               [Sample(stats.swapped(), at=now)], "ALPHA"),
        _gauge("container_start_time_seconds", "Start time of the container since unix epoch in seconds", began),
        _counter("container_cpu_usage_seconds_total", in_core_seconds.format("container"), cpu),
        _gauge("container_memory_working_set_bytes", working_set.format("container"), memory),
        _gauge("container_swap_usage_bytes", swap_used.format("container") + SWAP, swap, "ALPHA"),
        _gauge("container_swap_limit_bytes", f"Current amount of the container swap limit in bytes. {SWAP}", most,
               "ALPHA"),
        _counter("pod_cpu_usage_seconds_total", in_core_seconds.format("pod"),
                 [Sample(sums.cpu, where, sums.at) for sums, where in of_pods]),
        _gauge("pod_memory_working_set_bytes", working_set.format("pod"),
               [Sample(sums.memory, where, sums.at) for sums, where in of_pods]),
        _gauge("pod_swap_usage_bytes", swap_used.format("pod") + SWAP,
               [Sample(sums.swap, where, sums.at) for sums, where in of_pods if sums.swap is not None], "ALPHA"),
    ]  # fmt: skip


def _counter(name: str, help: str, samples: Iterable[Sample]) -> Family:
    return Family(name, "counter", f"[STABLE] {help}", samples)


def _gauge(name: str, help: str, samples: Iterable[Sample], level: str = "STABLE") -> Family:
    return Family(name, "gauge", f"[{level}] {help}", samples)


def probes(outcomes: Iterable[tuple[Pod, str, str, str, int]]) -> str:
    """/metrics/probes: pod, container, kind of probe, result and how often."""
    help = "[BETA] Cumulative number of a liveness, readiness or startup probe for a container by result."
    samples = [
        Sample(count, {"container": container, "namespace": pod.metadata.namespace, "pod": pod.metadata.name,
                       "pod_uid": pod.uid, "probe_type": kind.capitalize(), "result": result})
        for pod, container, kind, result, count in outcomes
    ]  # fmt: skip
    return text([Family("prober_probe_total", "counter", help, samples)])


@dataclass
class Own:
    """What the agent tells of itself: pods with a sandbox, containers by state, pods at work by phase of life."""

    pods: int = 0
    containers: Counter[str] = field(default_factory=Counter)
    working: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # config, lifecycle, static
    evictions: Mapping[str, int] = field(default_factory=dict)  # by signal
    build: Mapping[str, str] = field(default_factory=dict)

    def families(self) -> list[Family]:
        working = (
            "[ALPHA] Number of pods the kubelet is actually running, broken down by lifecycle phase, whether the pod "
            "is desired, orphaned, or runtime only (also orphaned), and whether the pod is static. An orphaned pod has "
            "been removed from local configuration or force deleted in the API and consumes resources that are not "
            "otherwise visible."
        )
        build = (
            "[BETA] A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree "
            "state, build date, Go version, and compiler from which Kubernetes was built, and platform on which it is "
            "running."
        )
        return [
            Family("kubelet_running_pods", "gauge", "[ALPHA] Number of pods that have a running pod sandbox",
                   [Sample(self.pods)]),
            Family("kubelet_running_containers", "gauge", "[ALPHA] Number of containers currently running",
                   [Sample(n, {"container_state": state}) for state, n in sorted(self.containers.items())]),
            Family("kubelet_working_pods", "gauge", working,
                   [Sample(n, dict(zip(("config", "lifecycle", "static"), key, strict=True)))
                    for key, n in sorted(self.working.items())]),
            Family("kubelet_evictions", "counter", "[ALPHA] Cumulative number of pod evictions by eviction signal",
                   [Sample(n, {"eviction_signal": signal}) for signal, n in sorted(self.evictions.items())]),
            Family("kubernetes_build_info", "gauge", build, [Sample(1, self.build)]),
        ]  # fmt: skip


def _newest(usages: Iterable[Usage], since: Mapping[str, float]) -> Iterable[Usage]:
    """One of each name in a pod: a scraper takes no two samples of the same labels."""
    found: dict[tuple[str, str, str], Usage] = {}
    for usage in usages:
        key = (*_place(usage), usage.name)
        if key not in found or since.get(usage.id, 0.0) > since.get(found[key].id, 0.0):
            found[key] = usage
    return found.values()


def _place(usage: Usage) -> tuple[str, str]:
    return usage.labels.get(labels.POD_NAME, ""), usage.labels.get(labels.POD_NAMESPACE, "")


def _of(place: tuple[str, str]) -> dict[str, str]:
    return dict(zip(POD, place, strict=True))
