"""Events about pods and their containers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from longboat.aio.clock import Clock
from longboat.client.events import EventRecorder, reference
from longboat.machinery.objects import Object
from longboat.node.views.container import Container
from longboat.node.views.pod import Pod

NORMAL, WARNING = "Normal", "Warning"
PAUSE, LONGEST_WAIT = 0.2, 3.0  # seconds between looks whether all is quiet, and after which it no longer matters
MAX_WAITING = 1000


class Recorder(Protocol):
    """Never blocks, never raises: an Event that cannot be written is dropped."""

    def pod(
        self, pod: Pod, kind: str, reason: str, message: str, field: str = "", notes: Mapping[str, str] | None = None
    ) -> None:
        """`field` is the part of the pod it is about: `spec.containers{web}`; `notes` become annotations."""
        ...

    def node(self, kind: str, reason: str, message: str) -> None: ...


class ApiRecorder:
    """Writes them to the API, as the kubelet of this node. While many pods start (`is_busy`) they wait a little: what
    people read must not delay what runs."""

    def __init__(
        self, events: EventRecorder, node: str, clock: Clock, is_busy: Callable[[], bool] = lambda: False
    ) -> None:
        self._events, self._node, self._clock, self._is_busy = events, node, clock, is_busy
        self._waiting: deque[tuple[Object, str, str, str, Mapping[str, str] | None]] = deque(maxlen=MAX_WAITING)
        self._since = 0.0

    def pod(
        self, pod: Pod, kind: str, reason: str, message: str, field: str = "", notes: Mapping[str, str] | None = None
    ) -> None:
        about = reference(pod)
        if field:
            about["fieldPath"] = field
        self._tell(about, kind, reason, message, notes)

    def node(self, kind: str, reason: str, message: str) -> None:
        about = {"kind": "Node", "apiVersion": "v1", "name": self._node, "uid": self._node}
        self._tell(about, kind, reason, message)

    def _tell(
        self, about: Object, kind: str, reason: str, message: str, notes: Mapping[str, str] | None = None
    ) -> None:  # fmt: skip
        if not self._waiting and not self._is_busy():
            self._events.event(about, kind, reason, message, notes=notes)
            return
        if not self._waiting:
            self._since = self._clock.monotonic()
            self._clock.call_later(PAUSE, self._flush)
        self._waiting.append((about, kind, reason, message, notes))

    def _flush(self) -> None:
        if self._is_busy() and self._clock.monotonic() - self._since < LONGEST_WAIT:
            self._clock.call_later(PAUSE, self._flush)
            return
        while self._waiting:
            about, kind, reason, message, notes = self._waiting.popleft()
            self._events.event(about, kind, reason, message, notes=notes)


def field_of(pod: Pod, container: Container) -> str:
    """The involvedObject.fieldPath of a container."""
    spec = pod.spec
    for name, listed in (("initContainers", spec.initContainers), ("ephemeralContainers", spec.ephemeralContainers)):
        if any(c.name == container.name for c in listed):
            return f"spec.{name}{{{container.name}}}"
    return f"spec.containers{{{container.name}}}"
