"""Whose request goes next on the loop. Who has used little of it lately goes at once; the others take turns."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

from longboat.aio.usage import Usage

T = TypeVar("T")

LIGHT = 0.02  # seconds used lately, up to which nobody waits
SLICE = 0.002  # seconds of the loop that those who have used much may use before it looks at sockets again


class Turns:
    """A queue per name. A pass of the loop wakes who has used least, and more only while they cost little."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}
        self._usages: dict[str, Usage] = {}
        self._pumping = False
        self._began: float | None = None  # `spent` when the first of a pass of the loop asked for its turn
        self.spent = 0.0  # seconds of the loop used so far by all, to tell what those woken last have cost

    def at_once(self, usage: Usage) -> bool:
        """Whether this name need not wait: it has used little lately, or nobody waits and there is time."""
        if usage.lately(self.now()) < LIGHT and usage.name not in self._queues:
            return True
        return not self._queues and self._has_time()

    async def wait(self, usage: Usage) -> None:
        """Return when it is this name's turn."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._queues.setdefault(usage.name, deque()).append(turn)
        self._usages[usage.name] = usage
        if not self._pumping:
            self._pumping = True
            loop.call_soon(self._pump, loop, self.spent)
        await turn

    def _has_time(self) -> bool:
        """Whether this pass of the loop still has time for who has used much: one dear request, or many cheap ones."""
        if self._began is None:
            self._began = self.spent
            asyncio.get_running_loop().call_soon(self._next_pass)
        return self.spent - self._began < SLICE

    def _next_pass(self) -> None:
        self._began = None

    def _pump(self, loop: asyncio.AbstractEventLoop, before: float) -> None:
        """Wake the next. What the last one cost is known in the following pass only, so that each pass wakes one, but
        several where the last were cheap."""
        woken, most = 0, 1 if self.spent - before > SLICE / 8 else 8
        while self._queues and woken < most:
            now = self.now()
            name = min(self._queues, key=lambda each: self._usages[each].lately(now))
            queue = self._queues[name]
            turn = queue.popleft()
            if not queue:
                del self._queues[name], self._usages[name]
            if not turn.done():
                turn.set_result(None)
                woken += 1
        self._pumping = bool(self._queues)
        if self._pumping:
            # Through the selector once: those woken run first, then whatever has come in meanwhile.
            loop.call_later(0, self._pump, loop, self.spent)

    def measured(self, work: Awaitable[T], usage: Usage) -> Awaitable[T]:
        """The work's result, the time it takes of the loop being noted."""
        return _Measured(work, usage, self)


class _Measured(Awaitable[T]):
    """Drives something awaitable, and notes how long each of its steps takes.

    An error that passes through holds this frame: the frame lets go of it, and of the future that brought it, or all
    that the request held would wait for the garbage collector.
    """

    __slots__ = ("_turns", "_usage", "_work")

    def __init__(self, work: Awaitable[T], usage: Usage, turns: Turns) -> None:
        self._work, self._usage, self._turns = work, usage, turns

    def __await__(self) -> Generator[Any, Any, T]:
        work, usage, turns = self._work.__await__(), self._usage, self._turns
        now = turns.now
        step: Callable[[Any], Any] = work.send
        value: Any = None
        while True:
            start = now()
            try:
                waited_for = step(value)
            except StopIteration as end:
                result: T = end.value
                return result
            finally:
                value = None
                after = now()
                usage.add(after - start, after)
                turns.spent += after - start
            try:
                value, step = (yield waited_for), work.send
            except BaseException as error:  # noqa: BLE001 - a cancellation, say: it is the work's to deal with
                value, step = error, work.throw
            finally:
                del waited_for
