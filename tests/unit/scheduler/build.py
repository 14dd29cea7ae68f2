"""Pods and nodes for scheduler tests, written as briefly as a test wants to say them."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec

from longboat.scheduler.info import PodInfo
from longboat.scheduler.snapshot import Snapshot
from longboat.scheduler.views import Node, Pod

_uids = itertools.count(1)


def node(name: str, *, cpu: str = "4", memory: str = "8Gi", pods: int = 110, labels: Any = None, **spec: Any) -> Node:
    return msgspec.convert(
        {
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
            "spec": spec,
            "status": {"allocatable": {"cpu": cpu, "memory": memory, "pods": str(pods)}},
        },
        Node,
    )


def pod(
    name: str = "p",
    *,
    cpu: str = "",
    memory: str = "",
    labels: Any = None,
    ports: Any = (),
    status: Any = None,
    going: bool = False,
    **spec: Any,
) -> PodInfo:
    requests = {k: v for k, v in (("cpu", cpu), ("memory", memory)) if v}
    container = {"name": "c", "resources": {"requests": requests}, "ports": list(ports)}
    return PodInfo(
        msgspec.convert(
            {
                "metadata": {
                    "name": name, "namespace": "default", "uid": f"uid-{next(_uids)}", "labels": labels or {},
                    "deletionTimestamp": "2026-01-01T00:00:00Z" if going else None,
                },
                "spec": {"containers": [container], **spec},
                "status": status or {},
            },
            Pod,
        )
    )  # fmt: skip


def cluster(*nodes: Node) -> Snapshot:
    snapshot = Snapshot()
    for each in nodes:
        snapshot.set_node(each.metadata.name, each)
    return snapshot
