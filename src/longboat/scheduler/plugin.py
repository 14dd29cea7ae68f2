"""What a scheduler plugin is: a filter, a score, or both, for one pod against one node at a time."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Flag, auto
from typing import Any, ClassVar, NamedTuple

from longboat.scheduler.info import PodInfo
from longboat.scheduler.snapshot import NodeInfo, Snapshot

SKIP: Any = object()  # what `prepare` returns when the plugin has nothing to say of this pod


class Change(Flag):
    """What may change in the cluster to cure a refusal."""

    NODE_ADDED = auto()
    NODE_LABELS = auto()
    NODE_TAINTS = auto()
    NODE_ALLOCATABLE = auto()
    POD_PLACED = auto()
    POD_GONE = auto()
    POD_UPDATED = auto()
    STORAGE = auto()

    ANY_NODE = NODE_ADDED | NODE_LABELS | NODE_TAINTS | NODE_ALLOCATABLE


class Refusal(NamedTuple):
    """Why a node will not do. `final`: no pod's leaving would change it."""

    reason: str
    final: bool = False


class NotReady(Exception):
    """What a plugin had to do before a pod is bound did not come about: the pod goes back to the queue."""


class Plugin:
    """The plugin that accepts every node and prefers none. `weight` 0 means it has no score."""

    name: ClassVar[str]
    weight: ClassVar[int] = 0
    cures: ClassVar[Change] = Change.ANY_NODE

    def prepare(self, pod: PodInfo, snapshot: Snapshot) -> Any:
        """What the filter needs to know, worked out once per pod. SKIP passes over the filter; a Refusal holds for
        every node."""
        return None

    def filter(self, pod: PodInfo, node: NodeInfo, state: Any) -> Refusal | Sequence[Refusal] | None:
        """None if the node will do."""
        return None

    def reserve(self, pod: PodInfo, node: NodeInfo) -> None:
        """The pod goes to this node: later decisions must know of it, though nothing is written yet."""

    def unreserve(self, pod: PodInfo) -> None:
        """It does not after all, or all has been written. Also for pods of which nothing was reserved."""

    def has_to_prepare(self, pod: PodInfo) -> bool:
        """Whether something must come about before the pod, for which a node is reserved, is bound."""
        return False

    async def pre_bind(self, pod: PodInfo, node: str) -> None:
        """Return once it has, however long that takes. Raises NotReady, StatusError, ConnectionError."""

    def prepare_score(self, pod: PodInfo, snapshot: Snapshot, feasible: Sequence[NodeInfo]) -> Any:
        """What the score needs to know, worked out once per pod. SKIP passes over the score."""
        return None

    def score(self, pod: PodInfo, node: NodeInfo, state: Any) -> float:
        """The more, the better; brought to 0..100 by `normalize`."""
        return 0

    def normalize(self, scores: list[float]) -> list[float]:
        """Bring raw scores to 0..100. The ordinary plugin's are there already."""
        return scores


def scaled(scores: list[float], *, reverse: bool = False) -> list[float]:
    """Scores in proportion to the highest, 0..100; reversed, the highest gets 0."""
    top = max(scores, default=0)
    if top == 0:
        return [100.0] * len(scores) if reverse else scores
    return [100 - 100 * s // top if reverse else 100 * s // top for s in scores]
