"""What a pod's worker sees of it: its containers in the runtime, their last words, where it is found."""

from __future__ import annotations

from collections.abc import Mapping

from longboat.node.make.config import NodeFacts
from longboat.node.make.fields import Surroundings
from longboat.node.observe import Observer
from longboat.node.state import Observed
from longboat.node.termination import LastWords, Read
from longboat.node.views.pod import Pod


class Sight:
    """`stale`: the runtime has to be asked anew. `read` finds what a container has said at its end."""

    def __init__(self, uid: str, observer: Observer, node: NodeFacts, read: Read, *, stale: bool) -> None:
        self.observed = Observed()
        self.stale = stale
        self._uid, self._observer, self._node = uid, observer, node
        self._last_words = LastWords(read)

    @property
    def last_words(self) -> Mapping[str, str]:
        """Of containers that have ended, by id."""
        return self._last_words.texts

    async def look(self, *, anew: bool = False) -> None:
        """Raises RuntimeFailure."""
        if not (self.stale or anew):
            return
        self.stale = False
        try:
            self.observed = await self._observer.observe(self._uid, self.observed)
        except BaseException:
            self.stale = True
            raise
        await self._last_words.hear(self.observed)

    async def with_sandbox(self, id: str, attempt: int, now: float) -> None:
        """One has been made."""
        self.observed = await self._observer.with_sandbox(self.observed, id, self._uid, attempt, now)

    async def with_container(self, id: str, sandbox: str) -> None:
        """One has been started."""
        self.observed = await self._observer.with_container(self.observed, id, self._uid, sandbox)
        await self._last_words.hear(self.observed)

    def surroundings(self, pod: Pod, allocatable: Mapping[str, str]) -> Surroundings:
        """What fields of the pod and files in it say of where it is."""
        node = self._node
        return Surroundings(node_name=node.name, host_ips=node.ips, pod_ips=self._ips(pod), allocatable=allocatable)

    def host(self, pod: Pod) -> str:
        """The address at which the pod is asked."""
        return next(iter(self._ips(pod)), "")

    def _ips(self, pod: Pod) -> tuple[str, ...]:
        return self._node.ips if pod.spec.hostNetwork else self.observed.network.ips
