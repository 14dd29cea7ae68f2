"""Conditions of pods, as those write them who are not the pod's node."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from longboat.machinery.objects import Object, timestamp

DISRUPTED = "DisruptionTarget"


class Told(Protocol):
    @property
    def type(self) -> str: ...
    @property
    def status(self) -> str: ...


def condition(
    kind: str,
    holds: bool,
    reason: str = "",
    message: str = "",
    *,
    before: Iterable[Told],
    generation: int,
    now: datetime,
) -> Object:
    """For a strategic merge patch. `before`: the conditions the pod has; when this one has turned is only told where it
    turns (upstream's UpdatePodCondition). `generation`: the metadata.generation that was judged (KEP-5067)."""
    status = "True" if holds else "False"
    made: Object = {"type": kind, "status": status, "observedGeneration": generation}
    made |= {"reason": reason or None, "message": message or None}
    if not any((each.type, each.status) == (kind, status) for each in before):
        made["lastTransitionTime"] = timestamp(now)
    return made
