"""Blocking work in threads: what must not be left half done, and what may never end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar, cast
from weakref import WeakKeyDictionary

P = ParamSpec("P")
T = TypeVar("T")


_out: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()


def out(loop: asyncio.AbstractEventLoop) -> int:
    """How many calls of `aside` the loop has not heard of yet."""
    return _out.get(loop, 0)


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
    _out[loop] = out(loop) + 1

    def settle(result: T | None, error: BaseException | None) -> None:
        _out[loop] -= 1
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
