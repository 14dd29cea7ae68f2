"""One limit for many pieces of work, and one timer for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from longboat.aio.clock import Clock

T = TypeVar("T")


class _Work:
    """What is under way in a task; `requests` for the task's end had been made before it began."""

    __slots__ = ("due", "over", "requests", "task")

    def __init__(self, task: asyncio.Task[object], due: float) -> None:
        self.task, self.due, self.over = task, due, False
        self.requests = task.cancelling()


class Deadlines:
    """Ends work that takes longer than so many seconds.

    What all may take is the same, so what began first is due first: one timer looks at the oldest, and an ordinary
    request neither sets one nor takes it back. While nothing is under way there is none.
    """

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds
        self._under_way: dict[_Work, None] = {}  # in the order in which it began
        self._watched = False

    async def run(self, work: Awaitable[T]) -> T:
        """Raises TimeoutError once the time is over; the work has been cancelled then."""
        task = asyncio.current_task()
        assert task is not None
        mine = _Work(task, self._clock.monotonic() + self._seconds)
        self._under_way[mine] = None
        if not self._watched:
            self._watched = True
            self._clock.call_later(self._seconds, self._look)
        try:
            return await work
        except asyncio.CancelledError:
            if mine.over and task.uncancel() <= mine.requests:
                raise TimeoutError from None
            raise  # somebody else wants the task to end, too
        finally:
            self._under_way.pop(mine, None)

    def _look(self) -> None:
        now = self._clock.monotonic()
        for work in list(self._under_way):
            if work.due > now:
                self._clock.call_later(work.due - now, self._look)
                return
            del self._under_way[work]
            work.over = True
            work.task.cancel()
        self._watched = False
