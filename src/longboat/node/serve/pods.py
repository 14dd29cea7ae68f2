"""Finds the pod and container a request speaks of, and says in the kubelet's words why it cannot serve it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from longboat.node.cri.interface import ContainerStatus
from longboat.node.pod_worker import PodWorker
from longboat.node.pod_workers import PodWorkers
from longboat.node.serve.http import HttpError

NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")  # of pods, namespaces and containers
UID = re.compile(r"[A-Za-z0-9-]{1,64}")
_WAITING = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}


def find(workers: PodWorkers, namespace: str, name: str, uid: str = "") -> PodWorker:
    """Names are checked before they are used for anything (security lesson 8). Raises HttpError."""
    if not NAME.fullmatch(namespace) or not NAME.fullmatch(name) or (uid and not UID.fullmatch(uid)):
        raise HttpError(400, "malformed name\n")
    worker = workers.find(namespace, name)
    if worker is None or (uid and worker.uid != uid):
        raise HttpError(404, f'pod "{name}" does not exist\n')
    return worker


def running(worker: PodWorker, container: str) -> ContainerStatus:
    """The running container of this name. Raises HttpError."""
    status = worker.observed.latest(container)
    if worker.pod.container(container) is None or status is None or status.state != "running":
        meta = worker.pod.metadata
        raise HttpError(404, f'container not found ("{container}")' if worker.pod.container(container) else
                        f'container {container} is not valid for pod {meta.name}')  # fmt: skip
    return status


def log_of(worker: PodWorker, container: str, previous: bool, logs: Path) -> ContainerStatus:
    """The container whose log is asked for; simulated ones have an empty `log_path`. Raises HttpError."""
    pod = worker.pod
    where = f'container "{container}" in pod "{pod.metadata.name}"'
    if pod.container(container) is None:
        raise HttpError(400, f'container "{container}" not found in pod "{pod.metadata.name}"\n')
    latest, before = worker.observed.latest(container), worker.observed.previous(container)
    shown = _shown(worker.status, container)
    waiting = shown.get("state", {}).get("waiting")
    if previous:
        chosen = latest if waiting is not None and latest is not None and latest.state == "exited" else before
        if chosen is None:
            raise HttpError(400, f"previous terminated {where} not found\n")
    elif latest is None:
        if waiting is None:
            raise HttpError(400, f"{where} is not available\n")
        reason = waiting.get("reason", "")
        raise HttpError(400, f"{where} is waiting to start: {_WAITING.get(reason, reason)}\n")
    else:
        chosen = latest
    if chosen.log_path and not Path(chosen.log_path).resolve().is_relative_to(logs.resolve()):
        raise HttpError(400, f"{where} has no log here\n")
    return chosen


def _shown(status: dict[str, Any], container: str) -> dict[str, Any]:
    for field in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
        for found in status.get(field, ()):
            if found["name"] == container:
                return dict(found)
    return {}
