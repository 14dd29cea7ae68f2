"""Events about pods and their containers."""

from __future__ import annotations

from typing import Protocol

from longboat.client.events import EventRecorder, reference
from longboat.node.views.container import Container
from longboat.node.views.pod import Pod

NORMAL, WARNING = "Normal", "Warning"


class Recorder(Protocol):
    """Never blocks, never raises: an Event that cannot be written is dropped."""

    def pod(self, pod: Pod, kind: str, reason: str, message: str, field: str = "") -> None:
        """`field` is the part of the pod it is about: `spec.containers{web}`."""
        ...

    def node(self, kind: str, reason: str, message: str) -> None: ...


class ApiRecorder:
    """Writes them to the API, as the kubelet of this node."""

    def __init__(self, events: EventRecorder, node: str) -> None:
        self._events, self._node = events, node

    def pod(self, pod: Pod, kind: str, reason: str, message: str, field: str = "") -> None:
        about = reference(pod)
        if field:
            about["fieldPath"] = field
        self._events.event(about, kind, reason, message)

    def node(self, kind: str, reason: str, message: str) -> None:
        about = {"kind": "Node", "apiVersion": "v1", "name": self._node, "uid": self._node}
        self._events.event(about, kind, reason, message)


def field_of(pod: Pod, container: Container) -> str:
    """The involvedObject.fieldPath of a container."""
    spec = pod.spec
    for name, listed in (("initContainers", spec.initContainers), ("ephemeralContainers", spec.ephemeralContainers)):
        if any(c.name == container.name for c in listed):
            return f"spec.{name}{{{container.name}}}"
    return f"spec.containers{{{container.name}}}"
