"""containerd's own event stream, for runtimes without CRI events: which container or sandbox has just changed.

Only three messages are read, each for one string field, so their protobuf wire format is decoded here.
"""

from __future__ import annotations

from collections.abc import Iterator

SUBSCRIBE = "/containerd.services.events.v1.Events/Subscribe"
NAMESPACE = (("containerd-namespace", "k8s.io"),)
TOPICS = ("/tasks/exit", "/tasks/oom")
_TOPIC, _EVENT = 3, 4  # fields of Envelope
_VALUE = 2  # of google.protobuf.Any
_CONTAINER_ID, _PROCESS = 1, 2  # of TaskExit and TaskOOM


def request() -> bytes:
    """A SubscribeRequest: a filter for each topic."""
    filters = [f'namespace==k8s.io,topic=="{topic}"'.encode() for topic in TOPICS]
    return b"".join(bytes((1 << 3 | 2, len(text))) + text for text in filters)


def container_id(envelope: bytes) -> str:
    """The container whose main process an event is about, else "". Raises ValueError for broken bytes."""
    fields = dict(_strings(envelope))
    if fields.get(_TOPIC, b"").decode() not in TOPICS:
        return ""
    event = dict(_strings(dict(_strings(fields.get(_EVENT, b""))).get(_VALUE, b"")))
    container = event.get(_CONTAINER_ID, b"")
    return container.decode() if event.get(_PROCESS, container) == container else ""


def _strings(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The length-delimited fields of a message: (number, bytes). Others are skipped."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            _, at = _varint(data, at)
        elif kind == 2:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise ValueError("a field ends beyond its message")
            yield key >> 3, data[at : at + size]
            at += size
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(f"unknown wire type {kind}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if not byte & 128:
            return value, at
        shift += 7
    raise ValueError("a number does not end")
