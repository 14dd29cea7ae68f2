"""Events about pods and the node, written to the API."""

from __future__ import annotations

from longboat.client.events import EventRecorder
from longboat.client.events import reference as object_reference
from longboat.node.views.pod import Pod


class ApiRecorder:
    """Implements recorder.Recorder."""

    def __init__(self, events: EventRecorder, node: str) -> None:
        self._events, self._node = events, node

    def pod(self, pod: Pod, kind: str, reason: str, message: str, field: str = "") -> None:
        about = object_reference(pod)
        if field:
            about["fieldPath"] = field
        self._events.event(about, kind, reason, message)

    def node(self, kind: str, reason: str, message: str) -> None:
        about = {"kind": "Node", "apiVersion": "v1", "name": self._node, "uid": self._node}
        self._events.event(about, kind, reason, message)
