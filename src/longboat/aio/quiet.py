"""When a loop is at rest: every task waits for something, no call is out in a thread, no timer is due.

That is a property of the loop alone: nobody has to count what they have under way. What waits for a clock that a test
moves, or for the network, does not keep a loop from being at rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from longboat.aio import threads

P = ParamSpec("P")
T = TypeVar("T")

MOST_TURNS = 200_000  # of the loop, after which something is taken to go round in circles


class Unsettled(Exception):
    """The loop does not come to rest."""


class _Threads(ThreadPoolExecutor):
    """A loop's threads, which know how many calls are out: until the loop has heard of an outcome, its call is."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(thread_name_prefix="blocking")
        self._loop, self._calls = loop, threads.calls(loop)

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        outcome: Future[T] = Future()

        def run() -> None:
            if outcome.set_running_or_notify_cancel():
                try:
                    outcome.set_result(work(*args, **kwargs))  # whoever waits for it is told within this call
                except BaseException as error:  # noqa: BLE001 - crosses a thread's boundary: raised where it is awaited
                    outcome.set_exception(error)
            with suppress(RuntimeError):  # the loop has been closed
                self._loop.call_soon_threadsafe(self._calls.ended)

        self._calls.begun()
        super().submit(run)
        return outcome


class Quiet:
    """Of the running loop, which has to be one of asyncio's own."""

    def __init__(self) -> None:
        self._loop: Any = asyncio.get_running_loop()
        self._calls = threads.calls(self._loop)
        self._loop.set_default_executor(_Threads(self._loop))
        self._alone = asyncio.Lock()

    async def wait(self) -> None:
        """Return once the loop is at rest, but for who waits for that. Raises Unsettled."""
        async with self._alone:  # two who wait would keep each other from seeing that all others rest
            await self._wait()

    async def _wait(self) -> None:
        for _ in range(MOST_TURNS):
            await asyncio.sleep(0)
            # Turns are taken in order: with nobody behind us, all others have had theirs and wait.
            if not self._loop._ready and not self._due():
                if not self._calls.out:
                    return
                await self._calls.back()
        names = sorted(task.get_name() for task in asyncio.all_tasks() if task._fut_waiter is None)  # type: ignore[attr-defined]
        raise Unsettled(f"after {MOST_TURNS} turns these still go on: {', '.join(names)}")

    def _due(self) -> bool:
        scheduled = self._loop._scheduled
        return bool(scheduled) and scheduled[0]._when <= self._loop.time()
