"""Finds out which pods something has happened to: from the runtime's events, and by looking now and then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from longboat.aio.clock import Clock
from longboat.node.cri.interface import Container, Runtime, RuntimeFailure, Sandbox
from longboat.node.observe import Observer

log = logging.getLogger(__name__)
OFTEN, SELDOM = 1.0, 5.0  # seconds between looks without and with events
# An event tells of an exit sooner than the runtime's own listing may show it: look again after these seconds.
AGAIN = (0.02, 0.1, 0.5)


class Relist:
    """`changed(uid)` is called for each pod. `seen` is given every listing."""

    def __init__(
        self,
        runtime: Runtime,
        clock: Clock,
        observer: Observer,
        changed: Callable[[str], None],
        seen: Callable[[list[Sandbox], list[Container]], None],
    ) -> None:
        self._runtime, self._clock, self._observer = runtime, clock, observer
        self._changed, self._seen = changed, seen
        self._before: dict[str, frozenset[tuple[str, str]]] = {}
        self._has_looked = False
        self._hears = False

    def may_run(self, uid: str) -> bool:
        """Whether the runtime may have something of this pod, as far as the last look tells."""
        return not self._has_looked or uid in self._before

    async def listen(self) -> None:
        """Take events in until cancelled."""
        while True:
            try:
                self._hears = True
                async for id in self._runtime.events():
                    self._tell(id)
            except RuntimeFailure as failure:
                if failure.code == "Unimplemented":
                    self._hears = False
                    await asyncio.Event().wait()  # there is nothing to hear: looking has to do
                log.info("the runtime's events have stopped: %s", failure)
            self._hears = False
            await self._clock.sleep(OFTEN)

    async def look(self) -> None:
        """List everything again and again until cancelled."""
        while True:
            try:
                sandboxes, containers = await self._runtime.sandboxes(), await self._runtime.containers()
                self._compare(sandboxes, containers)
                self._seen(sandboxes, containers)
            except RuntimeFailure as failure:
                log.info("cannot list what the runtime runs: %s", failure)
            await self._clock.sleep(SELDOM if self._hears else OFTEN)

    def _compare(self, sandboxes: list[Sandbox], containers: list[Container]) -> None:
        now: dict[str, set[tuple[str, str]]] = {}
        for sandbox in sandboxes:
            now.setdefault(sandbox.uid, set()).add((sandbox.id, "ready" if sandbox.ready else "notready"))
        for container in containers:
            now.setdefault(container.uid, set()).add((container.id, container.state))
        shown = {uid: frozenset(states) for uid, states in now.items()}
        for uid in shown.keys() | self._before.keys():
            if shown.get(uid) != self._before.get(uid):
                self._changed(uid)
        self._before, self._has_looked = shown, True

    def _tell(self, id: str) -> None:
        self._pass_on(id)
        for seconds in AGAIN:
            self._clock.call_later(seconds, lambda: self._pass_on(id))

    def _pass_on(self, id: str) -> None:
        """A container that ends at once may do so before anybody has noted whose it is."""
        if uid := self._observer.owners.get(id):
            self._changed(uid)
