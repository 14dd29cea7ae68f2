"""What the runtime does by itself: containers that end, sandboxes that vanish, and leftovers of pods that are gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from longboat.aio.backoff import Backoff
from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.node.cri.interface import Runtime, RuntimeFailure

log = logging.getLogger(__name__)

RELIST = 1.0  # seconds between looks at everything: an event may be missed (kubelet's generic PLEG)

Snapshot = dict[str, tuple[str, str]]  # id to (pod uid, state)


class Watchman:
    """Pokes pods whose containers or sandboxes have changed. Events make it quick, relisting makes it certain."""

    def __init__(self, runtime: Runtime, clock: Clock, poke: Callable[[str], None], *, every: float = RELIST) -> None:
        self._runtime, self._clock, self._poke, self._every = runtime, clock, poke, every
        self._known: Snapshot = {}
        self._look = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        async with Tasks("watchman") as tasks:
            tasks.spawn("events", self._listen())
            while True:
                try:
                    self._compare(await self.snapshot())
                except RuntimeFailure as failure:
                    log.warning("cannot list containers: %s", failure)
                try:
                    async with self._clock.timeout(self._every):
                        await self._look.wait()
                except TimeoutError:
                    continue
                self._look.clear()

    async def snapshot(self) -> Snapshot:
        """Raises RuntimeFailure."""
        sandboxes, containers = await asyncio.gather(self._runtime.sandboxes(), self._runtime.containers())
        found = {s.id: (s.uid, "ready" if s.ready else "notready") for s in sandboxes}
        found.update((c.id, (c.uid, c.state)) for c in containers)
        return found

    def _compare(self, now: Snapshot) -> None:
        before, self._known = self._known, now
        for id in before.keys() | now.keys():
            if before.get(id) != now.get(id):
                self._poke((now.get(id) or before[id])[0])

    async def _listen(self) -> None:
        backoff = Backoff(first=0.2, longest=5.0)
        while True:
            try:
                async for _ in self._runtime.events():
                    backoff.reset()
                    self._look.set()
            except RuntimeFailure as failure:
                if failure.code == "Unimplemented":
                    return
                log.info("the runtime's events broke off: %s", failure)
            await self._clock.sleep(backoff.next())


async def remove_leftovers(runtime: Runtime, uids: set[str]) -> None:
    """Take down what pods that are no longer in the API have left running. Raises RuntimeFailure."""
    for sandbox in await runtime.sandboxes():
        if sandbox.uid in uids:
            continue
        log.info("removing what is left of pod %s/%s", sandbox.namespace, sandbox.name)
        for container in await runtime.containers(sandbox.uid):
            await runtime.stop_container(container.id, 10.0)
            await runtime.remove_container(container.id)
        await runtime.stop_sandbox(sandbox.id)
        await runtime.remove_sandbox(sandbox.id)
