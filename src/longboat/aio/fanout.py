"""Many small works at once, but not all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def fan_out(items: Iterable[T], work: Callable[[T], Awaitable[R]], *, width: int) -> list[R]:
    """Do `work` for each item, at most `width` at a time; returns the results in the items' order.

    Each item gets its turn even if another's work raises; afterwards the first error, in the items' order, is raised.
    Cancelling it cancels all that is going on.
    """
    if width < 1:
        raise ValueError("width must be at least 1")
    queue = list(enumerate(items))
    queue.reverse()
    results: dict[int, R] = {}
    errors: dict[int, Exception] = {}

    async def worker() -> None:
        while queue:
            number, item = queue.pop()
            try:
                results[number] = await work(item)
            except Exception as error:  # noqa: BLE001 - raised below, when all have had their turn
                errors[number] = error

    count = len(queue)
    async with asyncio.TaskGroup() as group:
        for _ in range(min(width, count)):
            group.create_task(worker())
    if errors:
        raise errors[min(errors)]
    return [results[number] for number in range(count)]
