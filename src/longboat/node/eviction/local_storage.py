"""Pods that outgrow their limits of local storage lose their place (kubelet's local storage eviction)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.node.cri.interface import RuntimeFailure
from longboat.node.critical import is_critical
from longboat.node.eviction.local_limits import Excess, is_limited, outgrown, pod_limit, size_limits
from longboat.node.eviction.measure import Measure
from longboat.node.rules import EVERY
from longboat.node.views.pod import Pod

log = logging.getLogger(__name__)
SELDOM = 4.0  # times as long as a look at a pod took, until the next: one with a million files is looked at rarely


class LocalStorage:
    """`pods` are those that run, `evict` is told a pod's uid and what it exceeds. `dedicated` says whether writable
    layers lie on another disk than the rest.

    Pods without limits cost nothing.
    """

    def __init__(
        self, clock: Clock, pods: Callable[[], Iterable[Pod]], measure: Measure, evict: Callable[[str, Excess], None],
        dedicated: Callable[[], bool] = lambda: False, every: float = EVERY,
    ) -> None:  # fmt: skip
        self._clock, self._pods, self._measure, self._evict = clock, pods, measure, evict
        self._dedicated, self._every = dedicated, every
        self._next: dict[str, float] = {}  # when to look at whom again; never while it is looked at
        self._tasks = Tasks("local storage")

    async def watch(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._clock.sleep(self._every)
                self._look()
        finally:
            await self._tasks.close()

    def _look(self) -> None:
        now = self._clock.monotonic()
        limited = {pod.uid: pod for pod in self._pods() if is_limited(pod) and not is_critical(pod)}
        self._next = {uid: at for uid, at in self._next.items() if uid in limited}
        due = [pod for uid, pod in limited.items() if self._next.get(uid, now) <= now]
        for pod in due:
            self._next[pod.uid] = float("inf")
            self._tasks.spawn(pod.metadata.name, self._look_at(pod))

    async def _look_at(self, pod: Pod) -> None:
        began, whole = self._clock.monotonic(), pod_limit(pod)
        enough = {name: float(limit.amount) for name, limit in size_limits(pod).items()}
        if whole is not None:
            enough[""] = float(whole.amount)
        try:
            use = await self._measure.pod(pod, enough)
            if (found := outgrown(pod, use, dedicated=self._dedicated())).signal:
                self._evict(pod.uid, found)
        except (RuntimeFailure, OSError) as error:
            log.warning("cannot see how much %s has written: %s", pod, error)
        finally:
            now = self._clock.monotonic()
            self._next[pod.uid] = now + min((now - began) * SELDOM, 600.0)
