"""The cluster as the scheduler sees it: nodes, and what runs on each. Kept up to date change by change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from longboat.api import resources
from longboat.api.host_ports import HostPort
from longboat.api.resources import Amounts
from longboat.scheduler.info import PodInfo
from longboat.scheduler.nominator import Nominator
from longboat.scheduler.views import Node


class NodeInfo:
    """One node: what it offers and what its pods have taken."""

    __slots__ = ("allocatable", "host_ports", "node", "nonzero", "pods", "requested", "with_affinity")

    def __init__(self) -> None:
        self.node: Node | None = None  # None: pods are known to be on it, but the node itself is not (yet)
        self.allocatable: Amounts = {}
        self.requested: Amounts = {}
        self.nonzero: Amounts = {}
        self.host_ports: Counter[HostPort] = Counter()
        self.pods: dict[str, PodInfo] = {}
        self.with_affinity: dict[str, PodInfo] = {}

    def set_node(self, node: Node | None) -> None:
        self.node = node
        self.allocatable = resources.amounts(node.status.allocatable) if node else {}

    def add(self, info: PodInfo) -> None:
        self.pods[info.uid] = info
        if info.has_affinity:
            self.with_affinity[info.uid] = info
        resources.add(self.requested, info.requests)
        resources.add(self.nonzero, info.nonzero)
        self.host_ports.update(info.host_ports)

    def remove(self, uid: str) -> None:
        info = self.pods.pop(uid)
        self.with_affinity.pop(uid, None)
        resources.add(self.requested, {name: -value for name, value in info.requests.items()})
        resources.add(self.nonzero, {name: -value for name, value in info.nonzero.items()})
        self.host_ports.subtract(info.host_ports)
        self.host_ports += Counter()  # drops what has come to zero


class Snapshot:
    """All nodes by name. A pod counts on its node from the moment it is assumed there, before the API knows."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeInfo] = {}
        self._placed: dict[str, str] = {}  # pod uid to node name
        self.namespaces: dict[str, dict[str, str]] = {}  # name to labels
        self.claim_users: dict[tuple[str, str], set[str]] = {}  # namespace and name of a claim to uids of placed pods
        self.nominator = Nominator()

    @property
    def nodes(self) -> list[NodeInfo]:
        """The nodes that exist."""
        return [info for info in self._nodes.values() if info.node is not None]

    def node(self, name: str) -> NodeInfo | None:
        info = self._nodes.get(name)
        return info if info is not None and info.node is not None else None

    def set_node(self, name: str, node: Node | None) -> None:
        """Record a node as it is now; None when it has gone."""
        info = self._nodes.setdefault(name, NodeInfo())
        info.set_node(node)
        self._prune(name)

    def place(self, info: PodInfo, node_name: str) -> None:
        """Count a pod on a node; whatever was counted for it before is taken back."""
        self.remove(info.uid)
        self._nodes.setdefault(node_name, NodeInfo()).add(info)
        self._placed[info.uid] = node_name
        for use in info.claims:
            self.claim_users.setdefault(use.key, set()).add(info.uid)

    def remove(self, uid: str) -> bool:
        """Stop counting a pod; says whether it was counted."""
        node_name = self._placed.pop(uid, None)
        if node_name is None:
            return False
        for use in self._nodes[node_name].pods[uid].claims:
            users = self.claim_users.get(use.key, set())
            users.discard(uid)
            if not users:
                self.claim_users.pop(use.key, None)
        self._nodes[node_name].remove(uid)
        self._prune(node_name)
        return True

    @contextmanager
    def holding(self, pods: Sequence[PodInfo], node_name: str) -> Iterator[None]:
        """Count pods that have no node as if they were on this one."""
        for info in pods:
            self.place(info, node_name)
        try:
            yield
        finally:
            for info in pods:
                self.remove(info.uid)

    @property
    def placed(self) -> int:
        """How many pods are counted."""
        return len(self._placed)

    def where(self, uid: str) -> str | None:
        return self._placed.get(uid)

    def _prune(self, name: str) -> None:
        info = self._nodes[name]
        if info.node is None and not info.pods:
            del self._nodes[name]
