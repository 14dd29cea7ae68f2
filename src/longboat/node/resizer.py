"""Resizes running pods: containers through the runtime, the pod's cgroup around them.

Memory first, then processor time, each in an order in which the pod's limit is never beneath those of its containers: a
pod grows before they do and shrinks after them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from longboat.api.resources import Amounts, Resources
from longboat.node import resize
from longboat.node.cri.interface import Runtime, RuntimeFailure
from longboat.node.make import cgroups
from longboat.node.make.cgroups import Limits
from longboat.node.pod_cgroups import PodCgroups
from longboat.node.resize import Update
from longboat.node.views.pod import Pod

Done = Callable[[str, Resources | None], None]


class ResizeFailure(Exception):
    """What was given cannot be put into force now; the text is what the pod's status shows."""


class Resizer:
    """One per agent. `capacity` is the machine's."""

    def __init__(self, runtime: Runtime, groups: PodCgroups, capacity: Amounts) -> None:
        self._runtime, self._groups, self._capacity = runtime, groups, capacity

    async def resize(self, pod: Pod, updates: list[Update], done: Done) -> None:
        """`done` is told of each container what is in force from then on (None: all that was given).

        Raises ResizeFailure; part of it may be done by then.
        """
        try:
            before = await self._groups.limits(pod)
            wanted = cgroups.pod_limits(pod)
            await self._check(pod, updates, before, wanted)
            memory = before._replace(memory=wanted.memory or before.memory)
            await self._group(pod, memory, first=_rises(before.memory, memory.memory))
            for update in resize.updates(updates, "memory"):
                await self._container(pod, update, resize.halfway(update))
                done(update.container.name, resize.halfway(update))
            await self._group(pod, memory, first=not _rises(before.memory, memory.memory))
            quota = wanted.quota or before.quota
            widened = memory._replace(quota=quota, shares=wanted.shares)
            await self._group(pod, widened, first=_rises(before.quota, quota))
            for update in resize.updates(updates, "cpu"):
                await self._container(pod, update, update.container.resources)
            await self._group(pod, widened, first=not _rises(before.quota, quota))
            for update in updates:
                done(update.container.name, None)
        except (RuntimeFailure, OSError) as failure:
            raise ResizeFailure(str(failure)) from failure

    async def _group(self, pod: Pod, limits: Limits, *, first: bool) -> None:
        if first:
            await self._groups.adjust(pod, limits)

    async def _container(self, pod: Pod, update: Update, resources: Resources) -> None:
        as_if = msgspec.structs.replace(update.container, resources=resources)
        wanted = cgroups.container_resources(pod, as_if, self._capacity)
        await self._runtime.update_container(update.id, msgspec.structs.replace(wanted, hugepages={}))

    async def _check(self, pod: Pod, updates: Iterable[Update], before: Limits, wanted: Limits) -> None:
        """Nothing is taken away that is in use. Raises ResizeFailure, OSError."""
        said = []
        if wanted.memory and (not before.memory or wanted.memory < before.memory):
            used = await self._groups.memory_used(pod)
            if used >= wanted.memory:
                said.append(f"attempting to set pod memory limit ({wanted.memory}) below current usage ({used})")
        for update in updates:
            if update.lowers_memory:
                limit = cgroups.container_resources(pod, update.container, self._capacity).memory_limit
                used = await self._groups.memory_used(pod, update.id)
                if used >= limit:
                    what = f'container "{update.container.name}" memory limit ({limit})'
                    said.append(f"attempting to set {what} below current usage ({used})")
        if said:
            listed = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
            raise ResizeFailure(f"cannot decrease memory limits: {listed}")


def _rises(before: int, after: int) -> bool:
    """Whether a limit is eased; 0 stands for none."""
    return before != 0 and (after == 0 or after > before)
