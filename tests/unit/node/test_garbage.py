"""Removal of what nobody needs any more."""

from __future__ import annotations

import asyncio

from longboat.aio.clock import VirtualClock
from longboat.node.cri.config import ContainerConfig, SandboxConfig
from longboat.node.cri.interface import RuntimeFailure
from longboat.node.cri.memory import MemoryRuntime
from longboat.node.garbage import Garbage
from longboat.node.labels import POD_UID


class Clinging(MemoryRuntime):
    """Does not let go of the containers of one pod."""

    async def remove_container(self, id: str) -> None:
        if self._containers[id].uid == "held":
            raise RuntimeFailure("device or resource busy")
        await super().remove_container(id)


def test_what_cannot_be_removed_keeps_nothing_else() -> None:
    async def main() -> None:
        runtime = Clinging(VirtualClock())
        for uid in ("held", "other"):
            pod = SandboxConfig(name=uid, namespace="default", uid=uid)
            sandbox = await runtime.run_sandbox(pod)
            for attempt in (0, 1):
                config = ContainerConfig(name="c", image="i", attempt=attempt, labels={POD_UID: uid})
                id = await runtime.create_container(sandbox, config, pod)
                await runtime.start_container(id)
                runtime.end(id)
        await Garbage(runtime, VirtualClock()).remove_dead()
        assert sorted((c.uid, c.attempt) for c in await runtime.containers()) == [
            ("held", 0), ("held", 1), ("other", 1),
        ]  # fmt: skip

    asyncio.run(main())
