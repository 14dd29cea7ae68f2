"""Removes pods nobody will: those of nodes that are gone, and the oldest of too many that have ended."""

from __future__ import annotations

from typing import ClassVar

from longboat.api import kinds
from longboat.api.view import Part, View
from longboat.client.interface import Key
from longboat.controllers.runtime import Controller, Requeue
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import timestamp

EVERY = 20.0  # seconds between rounds
MOST_ENDED = 12500  # ended pods kept (kube-controller-manager, --terminated-pod-gc-threshold)
QUARANTINE = 40.0  # seconds a node is missing before its pods are (PodGC's nodeQuarantine)
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
ENDED = frozenset(("Succeeded", "Failed"))


class Spec(Part):
    nodeName: str = ""


class Status(Part):
    phase: str = ""


class Pod(View):
    KIND: ClassVar[Kind] = kinds.POD

    spec: Spec = Spec()
    status: Status = Status()


class Node(View):
    KIND: ClassVar[Kind] = kinds.NODE


class PodGC(Controller):
    name = "pod-garbage-collector"
    account = "pod-garbage-collector"
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
        doomed += [pod for pod in pods if pod.metadata.deletionTimestamp and not pod.spec.nodeName]
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
        try:
            if pod.spec.nodeName in self._missing:
                if await self._node_exists(pod.spec.nodeName):
                    return None
                await self._mark_failed(key, pod)
            await self.client.delete(kinds.POD, key, uid=pod.metadata.uid, grace=0)
        except StatusError as error:
            if error.code not in (404, 409):
                raise
        return None

    async def _node_exists(self, name: str) -> bool:
        """The copy may lag: never delete on its word alone."""
        try:
            await self.client.get(Node, Key("", name))
        except StatusError as error:
            if error.code == 404:
                return False
            raise
        return True

    async def _mark_failed(self, key: Key, pod: Pod) -> None:
        if pod.status.phase in ENDED:
            return
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByPodGC",
            "message": "PodGC: node no longer exists",
            "lastTransitionTime": timestamp(self.clock.now()),
        }
        patch = {
            "metadata": {"uid": pod.metadata.uid},
            "status": {"phase": "Failed", "conditions": [condition]},
        }
        await self.client.patch(kinds.POD, key, patch, style="strategic", subresource="status")
