"""What the agent writes on sandboxes and containers, so that after a restart it knows its own (kubelet's names)."""

from __future__ import annotations

import hashlib

import msgspec

from longboat.node.views.container import Container
from longboat.node.views.pod import Pod

POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"
HASH = "io.kubernetes.container.hash"
RESTART_COUNT = "io.kubernetes.container.restartCount"
TERMINATION_PATH = "io.kubernetes.container.terminationMessagePath"
TERMINATION_POLICY = "io.kubernetes.container.terminationMessagePolicy"
TERMINATION_FILE = "io.longboat.container.terminationMessageFile"  # where it lies on the node
GRACE = "io.kubernetes.pod.terminationGracePeriod"
PRE_STOP = "io.kubernetes.container.preStopHandler"


def for_sandbox(pod: Pod) -> dict[str, str]:
    meta = pod.metadata
    return {**meta.labels, POD_NAME: meta.name, POD_NAMESPACE: meta.namespace, POD_UID: meta.uid}


def for_container(pod: Pod, container: Container) -> dict[str, str]:
    meta = pod.metadata
    return {
        CONTAINER_NAME: container.name, POD_NAME: meta.name, POD_NAMESPACE: meta.namespace, POD_UID: meta.uid,
    }  # fmt: skip


def notes(pod: Pod, container: Container, attempt: int, termination_file: str) -> dict[str, str]:
    made = {
        HASH: spec_hash(container),
        RESTART_COUNT: str(attempt),
        TERMINATION_PATH: container.terminationMessagePath,
        TERMINATION_POLICY: container.terminationMessagePolicy,
        TERMINATION_FILE: termination_file,
        GRACE: str(pod.spec.terminationGracePeriodSeconds),
    }
    if container.lifecycle and container.lifecycle.preStop:
        made[PRE_STOP] = msgspec.json.encode(container.lifecycle.preStop).decode()
    return made


def spec_hash(container: Container) -> str:
    """Changes where a running container has to be replaced: name and image are all of it that may change."""
    return hashlib.sha256(f"{container.name}\0{container.image}".encode()).hexdigest()[:8]
