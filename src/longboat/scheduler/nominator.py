"""Room that is being made: pods for which others were evicted, and on which node they will fit then."""

from __future__ import annotations

from collections.abc import Sequence

from longboat.scheduler.info import PodInfo


class Nominator:
    """Which node each waiting pod was nominated for (Pod status.nominatedNodeName), known before that is written.

    Without it whoever comes first takes the room, and the nominated pod preempts for ever.
    """

    def __init__(self) -> None:
        self._nodes: dict[str, str] = {}  # pod uid to node
        self._pods: dict[str, dict[str, PodInfo]] = {}  # node to pods by uid

    def nominate(self, info: PodInfo, node: str) -> None:
        """In place of any nomination it had."""
        self.forget(info.uid)
        self._nodes[info.uid] = node
        self._pods.setdefault(node, {})[info.uid] = info

    def forget(self, uid: str) -> bool:
        """The pod has its node, or needs none any more; says whether it had been nominated."""
        node = self._nodes.pop(uid, None)
        if node is None:
            return False
        pods = self._pods[node]
        del pods[uid]
        if not pods:
            del self._pods[node]
        return True

    def where(self, uid: str) -> str:
        """The node the pod is nominated for; empty if for none."""
        return self._nodes.get(uid, "")

    def ahead_of(self, info: PodInfo, node: str) -> Sequence[PodInfo]:
        """The other pods nominated for the node that matter as much as this one, or more: their room is theirs."""
        if (pods := self._pods.get(node)) is None:
            return ()
        priority = info.pod.spec.priority
        return [other for uid, other in pods.items() if uid != info.uid and other.pod.spec.priority >= priority]

    def behind(self, info: PodInfo, node: str) -> Sequence[PodInfo]:
        """The pods nominated for the node that matter less: their room is taken by this one."""
        priority = info.pod.spec.priority
        return [other for other in self._pods.get(node, {}).values() if other.pod.spec.priority < priority]
