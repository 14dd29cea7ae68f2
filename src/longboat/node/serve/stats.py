"""What node and containers use, as /stats/summary tells it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from longboat.machinery.objects import Object
from longboat.node import labels
from longboat.node.cri.interface import Usage
from longboat.node.pod_status import moment

NODE = ""  # the whole machine, among the ids of containers
SHORTEST, LONGEST = 0.5, 120.0  # seconds that a rate is measured over
TICKS = os.sysconf("SC_CLK_TCK")


class _Sample(NamedTuple):
    at: float
    cpu: int
    rate: int | None  # nanoseconds of processor time per second, over what came before


class Rates:
    """How fast processor time is used: each question's answer is measured against the question before it."""

    def __init__(self) -> None:
        self._samples: dict[str, _Sample] = {}

    def of(self, id: str) -> int | None:
        """None where there is nothing to compare with yet."""
        sample = self._samples.get(id)
        return sample.rate if sample else None

    def take(self, usages: Iterable[Usage], node: float, now: float) -> bool:
        """Take in what has been used so far; whether every rate is known. What is no longer there is forgotten."""
        counters = {NODE: (now, int(node * 1e9)), **{usage.id: (usage.at, usage.cpu) for usage in usages}}
        self._samples = {id: self._next(self._samples.get(id), *counter) for id, counter in counters.items()}
        return all(sample.rate is not None for sample in self._samples.values())

    @staticmethod
    def _next(before: _Sample | None, at: float, cpu: int) -> _Sample:
        if before is None or cpu < before.cpu or at - before.at > LONGEST:
            return _Sample(at, cpu, None)
        if at - before.at < SHORTEST:
            return before
        return _Sample(at, cpu, int((cpu - before.cpu) / (at - before.at)))


def node_cpu() -> float:
    """Seconds of processor time used on the machine since it started. Blocks."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, _, _, irq, softirq, steal = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / TICKS


def node_memory() -> tuple[int, int]:
    """Bytes in use that cannot be given back, and bytes available. Blocks."""
    fields = _meminfo()
    return fields["MemTotal"] - fields["MemAvailable"], fields["MemAvailable"]


def _meminfo() -> dict[str, int]:
    fields = {}
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        fields[name] = int(rest.split()[0]) * 1024
    return fields


def file_system(path: Path) -> Object:
    """Blocks."""
    found = os.statvfs(path)
    return {
        "availableBytes": found.f_bavail * found.f_frsize,
        "capacityBytes": found.f_blocks * found.f_frsize,
        "usedBytes": (found.f_blocks - found.f_bfree) * found.f_frsize,
        "inodes": found.f_files,
        "inodesFree": found.f_favail,
        "inodesUsed": found.f_files - found.f_ffree,
    }


def swapped() -> int:
    """Bytes swapped out. Blocks."""
    fields = _meminfo()
    return fields.get("SwapTotal", 0) - fields.get("SwapFree", 0)


def summary(
    node: str, started: float, usages: Iterable[Usage], rates: Rates, now: datetime, root: Path,
    since: Mapping[str, float],
) -> Object:  # fmt: skip
    """stats/v1alpha1 Summary; `since` says when each container began. Blocks."""
    time = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    working_set, available = node_memory()
    pods: dict[str, dict[str, Any]] = {}
    for usage in usages:
        pod = pods.setdefault(
            usage.labels.get(labels.POD_UID, ""),
            {
                "podRef": {
                    "name": usage.labels.get(labels.POD_NAME, ""),
                    "namespace": usage.labels.get(labels.POD_NAMESPACE, ""),
                    "uid": usage.labels.get(labels.POD_UID, ""),
                },
                "containers": [],
            },
        )
        at = moment(usage.at) or time
        pod["containers"].append(
            {
                "name": usage.name,
                "startTime": moment(since.get(usage.id, 0)),
                "cpu": {"time": at, "usageCoreNanoSeconds": usage.cpu, "usageNanoCores": rates.of(usage.id) or 0},
                "memory": {"time": at, "workingSetBytes": usage.memory},
                "rootfs": {"time": at, "usedBytes": usage.disk},
            }
        )
    for pod in pods.values():
        pod["cpu"] = {
            "time": time,
            **{
                field: sum(c["cpu"][field] for c in pod["containers"])
                for field in ("usageCoreNanoSeconds", "usageNanoCores")
            },
        }
        pod["memory"] = {
            "time": time,
            "workingSetBytes": sum(c["memory"]["workingSetBytes"] for c in pod["containers"]),
        }
    return {
        "node": {
            "nodeName": node,
            "startTime": moment(started),
            "cpu": {
                "time": time,
                "usageCoreNanoSeconds": int(node_cpu() * 1e9),
                "usageNanoCores": rates.of(NODE) or 0,
            },
            "memory": {"time": time, "availableBytes": available, "workingSetBytes": working_set},
            "fs": {"time": time, **file_system(root)},
        },
        "pods": list(pods.values()),
    }
