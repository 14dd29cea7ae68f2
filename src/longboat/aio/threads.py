"""Blocking work in threads: what must not be left half done, and what may never end."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import ParamSpec, TypeVar, cast
from weakref import WeakKeyDictionary

P = ParamSpec("P")
T = TypeVar("T")


HAND_OVER = 0.0002  # seconds
_within, _usual = 0, 0.0


@contextmanager
def handing_over() -> Iterator[None]:
    """While anybody is within, threads hand over every `HAND_OVER` seconds to who has asked, not every five
    milliseconds: the loop's passes do not wait so long beside a busy thread. For the loop's thread alone."""
    global _within, _usual
    if not _within:
        _usual = sys.getswitchinterval()
        sys.setswitchinterval(HAND_OVER)
    _within += 1
    try:
        yield
    finally:
        _within -= 1
        if not _within:
            sys.setswitchinterval(_usual)


class Calls:
    """How many calls are out in threads that a loop has not heard of yet."""

    def __init__(self) -> None:
        self.out = 0
        self._back = asyncio.Event()

    def begun(self) -> None:
        self.out += 1

    def ended(self) -> None:
        """The loop has heard of it (called on the loop)."""
        self.out -= 1
        self._back.set()

    async def back(self) -> None:
        """Return once another has ended."""
        self._back.clear()
        await self._back.wait()


_calls: WeakKeyDictionary[asyncio.AbstractEventLoop, Calls] = WeakKeyDictionary()


def calls(loop: asyncio.AbstractEventLoop) -> Calls:
    """Those of `aside`, and of who else counts them here."""
    found = _calls.get(loop)
    if found is None:
        found = _calls[loop] = Calls()
    return found


async def to_the_end(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work in a thread. Cancelled, it still returns only when the work is done: a lock that is held
    meanwhile stays true."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # nobody else will ask for it
        raise


async def aside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work that may hang, on somebody else's disk, in a thread of its own: however many do, nothing else
    waits for a thread, nor does the end of the process. Cancelled, it returns at once; the work goes on."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()
    under_way = calls(loop)
    under_way.begun()

    def settle(result: T | None, error: BaseException | None) -> None:
        under_way.ended()
        if outcome.cancelled():
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(cast(T, result))

    def run() -> None:
        result, problem = None, None
        try:
            result = work(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - crosses a thread's boundary: raised where it is awaited
            problem = error
        with suppress(RuntimeError):  # nobody is left to hear of it
            loop.call_soon_threadsafe(settle, result, problem)

    threading.Thread(target=run, name=getattr(work, "__name__", "aside"), daemon=True).start()
    return await outcome
