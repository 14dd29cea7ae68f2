"""Events about pods and their containers."""

from __future__ import annotations

from typing import Protocol

from longboat.node.views.container import Container
from longboat.node.views.pod import Pod

NORMAL, WARNING = "Normal", "Warning"


class Recorder(Protocol):
    """Never blocks, never raises: an Event that cannot be written is dropped."""

    def pod(self, pod: Pod, kind: str, reason: str, message: str, field: str = "") -> None:
        """`field` is the part of the pod it is about: `spec.containers{web}`."""
        ...

    def node(self, kind: str, reason: str, message: str) -> None: ...


def field_of(pod: Pod, container: Container) -> str:
    """The involvedObject.fieldPath of a container."""
    spec = pod.spec
    for name, listed in (("initContainers", spec.initContainers), ("ephemeralContainers", spec.ephemeralContainers)):
        if any(c.name == container.name for c in listed):
            return f"spec.{name}{{{container.name}}}"
    return f"spec.containers{{{container.name}}}"
