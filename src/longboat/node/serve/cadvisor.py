"""/metrics/cadvisor: what dashboards ask of containers, under cAdvisor's names. Pure, but for the machine's figures.

Only what the runtime and the pods' specs tell: what cAdvisor reads of cgroups, disks and network devices is not there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from longboat.machinery.exposition import Family, Sample, text
from longboat.node.cri.interface import ContainerStatus, Usage
from longboat.node.make.cgroups import pod_parent
from longboat.node.serve import stats
from longboat.node.views.pod import Pod

ROOT = {"id": "/"}  # of what is the whole machine's


@dataclass(frozen=True)
class Place:
    """A container that is there, and whose it is."""

    pod: Pod
    status: ContainerStatus


def containers(usages: Iterable[Usage], places: Mapping[str, Place], cgroup_root: str, now: float) -> str:
    """`places` by the ids of containers: what is used by others is not told. Blocks."""
    cpu, memory, seen = list[Sample](), list[Sample](), list[Sample]()
    known: list[tuple[dict[str, str], ContainerStatus, float]] = []
    for usage in usages:
        if (place := places.get(usage.id)) is not None:
            labels = _labels(place, cgroup_root)
            cpu.append(Sample(usage.cpu / 1e9, {**labels, "cpu": "total"}, usage.at))
            memory.append(Sample(usage.memory, labels, usage.at))
            seen.append(Sample(int(now), labels, usage.at))
            known.append((labels, place.status, usage.at))
    cpu.append(Sample(stats.node_cpu(), {**ROOT, "cpu": "total"}, now))
    memory.append(Sample(stats.node_memory()[0], ROOT, now))
    return text(
        [
            Family("container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed in seconds.", cpu),
            Family("container_memory_working_set_bytes", "gauge", "Current working set in bytes.", memory),
            Family("container_last_seen", "gauge", "Last time a container was seen by the exporter", seen),
            *_specs(known),
            Family("machine_cpu_cores", "gauge", "Number of logical CPU cores.", [Sample(os.cpu_count() or 1)]),
            Family("machine_memory_bytes", "gauge", "Amount of memory installed on the machine.",
                   [Sample(sum(stats.node_memory()))]),
        ]
    )  # fmt: skip


def _specs(known: list[tuple[dict[str, str], ContainerStatus, float]]) -> Iterator[Family]:
    """When containers began, and what they are limited to."""
    began = [Sample(status.started or status.created, labels, at) for labels, status, at in known]
    help = "Start time of the container since unix epoch in seconds."
    yield Family("container_start_time_seconds", "gauge", help, began)
    limited = [(labels, status.resources, at) for labels, status, at in known if status.resources is not None]
    quotas = [(labels, found, at) for labels, found, at in limited if found.cpu_quota > 0]
    for name, help, samples in (
        ("cpu_period", "CPU period of the container.", [Sample(r.cpu_period, labels, at) for labels, r, at in quotas]),
        ("cpu_quota", "CPU quota of the container.", [Sample(r.cpu_quota, labels, at) for labels, r, at in quotas]),
        ("cpu_shares", "CPU share of the container.", [Sample(r.cpu_shares, labels, at) for labels, r, at in limited]),
        ("memory_limit_bytes", "Memory limit for the container.",
         [Sample(r.memory_limit, labels, at) for labels, r, at in limited]),
    ):  # fmt: skip
        yield Family(f"container_spec_{name}", "gauge", help, samples)


def _labels(place: Place, cgroup_root: str) -> dict[str, str]:
    pod, status = place.pod, place.status
    return {
        "container": status.name,
        "id": f"{pod_parent(cgroup_root, pod)}/{status.id}",
        "image": status.image,
        "name": status.id,
        "namespace": pod.metadata.namespace,
        "pod": pod.metadata.name,
    }
