"""Takes pods that come to the node, or refuses them; makes room for critical ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from longboat.node import admission, preemption, safeguards
from longboat.node.admission import Judgement
from longboat.node.allocation import Shortage
from longboat.node.critical import is_critical
from longboat.node.make.config import NodeFacts
from longboat.node.own_node import OwnNode
from longboat.node.recorder import WARNING, Recorder
from longboat.node.state import Waiting
from longboat.node.views.objects import Node
from longboat.node.views.pod import Pod


class Candidate(Protocol):
    """A pod that has come to the node, or that is there."""

    @property
    def uid(self) -> str: ...
    @property
    def pod(self) -> Pod: ...
    @property
    def takes_room(self) -> bool: ...
    @property
    def is_ending(self) -> bool: ...
    def must_end(self) -> bool: ...
    def reject(self, why: Waiting) -> None: ...


class Beside(Protocol):
    """The node's other pods."""

    allocatable: Mapping[str, str]
    pressed: Callable[[Pod], Waiting | None]  # why the node takes no more such pods now

    def beside(self, uid: str) -> Sequence[Candidate]:
        """Those that take room on the node beside this one."""
        ...

    def preempt(self, uid: str) -> None:
        """End it for the sake of a critical one."""
        ...


class Admitter:
    """One per agent. What the API last told of the node decides at once, in the order in which pods come; before a pod
    is refused for it the API is asked anew, for a watch may lag behind the pod's binding."""

    def __init__(
        self, own: OwnNode, facts: NodeFacts, recorder: Recorder, pods: Beside, unsafe_sysctls: Collection[str]
    ) -> None:
        self._own, self._facts, self._recorder, self._pods = own, facts, recorder, pods
        self._unsafe_sysctls = unsafe_sysctls
        self._doubted: set[str] = set()  # pods on which the API has to be asked
        self._awaited: dict[str, list[Candidate]] = {}  # by a critical pod's uid, whose end it waits for

    def arrive(self, worker: Candidate) -> None:
        """A pod that wants what it may not, or cannot, have here fails before anything of it runs."""
        if worker.must_end() or worker.pod.status.startTime is not None:
            return
        if (why := self._pods.pressed(worker.pod)) is not None:
            self._reject(worker, why)
            return
        found = self._judge(worker, self._own.known(), labels=False)
        if found.hinges_on_node or (found.first is None and admission.asks_for_labels(worker.pod)):
            self._doubted.add(worker.uid)
        else:
            self._conclude(worker, found)

    async def may_begin(self, worker: Candidate) -> bool:
        """Whether nothing stands in the pod's way any more; it is asked for again when other pods end. Raises
        StatusError and OSError."""
        if worker.uid in self._doubted:
            node = await self._own.fresh()
            self._doubted.discard(worker.uid)
            self._conclude(worker, self._judge(worker, node, labels=True))
        awaited = [other for other in self._awaited.get(worker.uid, ()) if other.takes_room]
        if not awaited:
            self._awaited.pop(worker.uid, None)
        return not awaited

    @property
    def waiting(self) -> list[str]:
        """The uids of those that wait for others to end."""
        return list(self._awaited)

    def forget(self, uid: str) -> None:
        self._doubted.discard(uid)
        self._awaited.pop(uid, None)

    def remark(self, pod: Pod, before: Pod | None = None) -> None:
        """Tell what the pod asks for that has no effect here, unless it did before."""
        known = set(safeguards.remarks(before, self._facts.can)) if before else set()
        for remark in safeguards.remarks(pod, self._facts.can):
            if remark not in known:
                self._recorder.pod(pod, WARNING, *remark)

    def _judge(self, worker: Candidate, node: Node | None, *, labels: bool) -> Judgement:
        offer = admission.offer(self._facts.name, self._pods.allocatable, node, labels=labels)
        others = [other.pod for other in self._pods.beside(worker.uid)]
        return admission.judge(worker.pod, others, offer, self._facts.can, self._unsafe_sysctls)

    def _conclude(self, worker: Candidate, found: Judgement) -> None:
        """Room is made for a critical pod where nothing but room is lacking."""
        if found.short and is_critical(worker.pod):
            if not found.others:
                self._make_room(worker, found.short)
                return
            found = Judgement(others=found.others)
        if found.first is not None:
            self._reject(worker, found.first)
        else:
            self.remark(worker.pod)

    def _make_room(self, worker: Candidate, short: Collection[Shortage]) -> None:
        """It has its place from now on, and begins once those that hold it have ended."""
        others = self._pods.beside(worker.uid)
        going = [other for other in others if other.is_ending]
        needs = {shortage.resource: shortage.missing for shortage in short}
        needs = preemption.remaining(needs, [other.pod for other in going])
        staying = {other.uid: other for other in others if not other.is_ending}
        chosen = preemption.victims(worker.pod, [other.pod for other in staying.values()], needs)
        if chosen is None:
            self._reject(worker, Waiting("UnexpectedAdmissionError", preemption.refused(needs)))
            return
        victims = [staying[pod.uid] for pod in chosen]
        self._awaited[worker.uid] = [*going, *victims]
        for victim in victims:
            self._pods.preempt(victim.uid)
        self.remark(worker.pod)

    def _reject(self, worker: Candidate, why: Waiting) -> None:
        self._recorder.pod(worker.pod, WARNING, why.reason, why.message)
        worker.reject(Waiting(why.reason, f"Pod was rejected: {why.message}"))
