"""Removes pods nobody will: those of nodes that are gone or given up, and the oldest of too many that have ended."""

from __future__ import annotations

from typing import ClassVar

from longboat.api import kinds, pod_conditions
from longboat.api.pod_conditions import DISRUPTED
from longboat.api.taints import OUT_OF_SERVICE, Taint
from longboat.api.view import Part, View
from longboat.api.workloads import Condition
from longboat.client.interface import Key
from longboat.controllers.runtime import Controller, Requeue
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object

EVERY = 20.0  # seconds between rounds
MOST_ENDED = 12500  # ended pods kept (kube-controller-manager, --terminated-pod-gc-threshold)
QUARANTINE = 40.0  # seconds a node is missing before its pods are (PodGC's nodeQuarantine)
ENDED = frozenset(("Succeeded", "Failed"))


class Spec(Part):
    nodeName: str = ""


class Status(Part):
    phase: str = ""
    conditions: list[Condition] = []


class Pod(View):
    KIND: ClassVar[Kind] = kinds.POD

    spec: Spec = Spec()
    status: Status = Status()


class NodeSpec(Part):
    taints: list[Taint] = []


class NodeStatus(Part):
    conditions: list[Condition] = []


class Node(View):
    KIND: ClassVar[Kind] = kinds.NODE

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()

    @property
    def given_up(self) -> bool:
        """Whether it is not ready, and somebody vouches that nothing runs there any more."""
        ready = any(c.type == "Ready" and c.status == "True" for c in self.status.conditions)
        return not ready and any(taint.key == OUT_OF_SERVICE for taint in self.spec.taints)


class PodGC(Controller):
    name = "pod-garbage-collector"
    queue_name = "orphaned_pods_nodes"
    account = "pod-garbage-collector"
    rights = """
        delete list watch: pods
        get list: nodes
        patch update: pods/status
        watch: nodes
    """
    reads = (Pod, Node)
    workers = 1

    def setup(self) -> None:
        self._missing: dict[str, float] = {}  # node to when it was first missed

    async def background(self) -> None:
        while True:
            await self.clock.sleep(EVERY)
            for pod in self._doomed():
                self.queue.add(Key(pod.metadata.namespace, pod.metadata.name))

    def _doomed(self) -> list[Pod]:
        pods = self.cache(Pod).values()
        lost = self._lost({pod.spec.nodeName for pod in pods if pod.spec.nodeName})
        ended = sorted((p for p in pods if p.status.phase in ENDED), key=lambda p: p.metadata.creationTimestamp or "")
        doomed = ended[: max(len(ended) - MOST_ENDED, 0)]
        doomed += [pod for pod in pods if pod.spec.nodeName in lost]
        given_up = {node.metadata.name for node in self.cache(Node).values() if node.given_up} | {""}
        doomed += [pod for pod in pods if pod.metadata.deletionTimestamp and pod.spec.nodeName in given_up]
        return doomed

    def _lost(self, used: set[str]) -> set[str]:
        """Nodes that pods are bound to and that have been gone for long enough."""
        now, nodes = self.clock.monotonic(), self.cache(Node)
        gone = {name for name in used if nodes.get(Key("", name)) is None}
        self._missing = {name: self._missing.get(name, now) for name in gone}
        return {name for name, since in self._missing.items() if now - since >= QUARANTINE}

    async def reconcile(self, key: Key) -> Requeue | None:
        pod = self.cache(Pod).get(key)
        if pod is None:
            return None
        lost = pod.spec.nodeName in self._missing
        try:
            if not await self._doomed_still(pod, lost):
                return None
            await self._mark_failed(key, pod, lost)
            await self.client.delete(kinds.POD, key, uid=pod.metadata.uid, grace=0)
        except StatusError as error:
            if error.code not in (404, 409):
                raise
        return None

    async def _doomed_still(self, pod: Pod, lost: bool) -> bool:
        """Another may have its name by now; and of what may be running the copy's word is not enough: it may lag."""
        if not (lost or pod.metadata.deletionTimestamp or pod.status.phase in ENDED):
            return False
        if not pod.spec.nodeName or (pod.status.phase in ENDED and not lost):
            return True
        try:
            node = await self.client.get(Node, Key("", pod.spec.nodeName))
        except StatusError as error:
            if error.code == 404:
                return True
            raise
        return node.given_up and not lost

    async def _mark_failed(self, key: Key, pod: Pod, lost: bool) -> None:
        """Nobody else will: it would be Running for ever where a finalizer holds it."""
        if pod.status.phase in ENDED:
            return
        status: Object = {"phase": "Failed"}
        if lost:
            before, generation = pod.status.conditions, pod.metadata.generation
            why = ("DeletionByPodGC", "PodGC: node no longer exists")
            status["conditions"] = [
                pod_conditions.condition(
                    DISRUPTED, True, *why, before=before, generation=generation, now=self.clock.now()
                )
            ]
        patch = {"metadata": {"uid": pod.metadata.uid}, "status": status}
        await self.client.patch(kinds.POD, key, patch, style="strategic", subresource="status")
