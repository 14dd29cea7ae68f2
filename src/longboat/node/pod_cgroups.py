"""Pods' cgroups, for who waits: the kernel is asked in a thread. For simulated nodes: `simulated/stand_ins.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Set

from longboat.node.cgroups import Cgroups
from longboat.node.make.cgroups import Limits
from longboat.node.views.pod import Pod


class PodCgroups:
    """One per agent. Methods are those of `Cgroups`, and raise OSError as they do."""

    def __init__(self, groups: Cgroups) -> None:
        self._groups = groups

    async def ensure(self, pod: Pod) -> None:
        await asyncio.to_thread(self._groups.ensure_pod, pod)

    async def limits(self, pod: Pod) -> Limits:
        return await asyncio.to_thread(self._groups.limits, pod)

    async def adjust(self, pod: Pod, limits: Limits) -> None:
        await asyncio.to_thread(self._groups.adjust, pod, limits)

    async def memory_used(self, pod: Pod, container: str = "") -> int:
        return await asyncio.to_thread(self._groups.memory_used, pod, container)

    async def remove(self, pod: Pod) -> None:
        await asyncio.to_thread(self._groups.remove_pod, pod)

    async def remove_others(self, uids: Set[str]) -> None:
        await asyncio.to_thread(self._groups.remove_others, uids)
