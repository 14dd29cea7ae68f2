"""Which certificates HAProxy would refuse: all are tried at once, and where that fails, halves of them. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


async def refused(tried: Sequence[T], accepts: Callable[[Sequence[T]], Awaitable[bool]]) -> list[T]:
    """Those that are not accepted even alone; of n with k such, in at most about 2k·log2(n) trials."""
    if not tried or await accepts(tried):
        return []
    if len(tried) == 1:
        return list(tried)
    half = len(tried) // 2
    return [*await refused(tried[:half], accepts), *await refused(tried[half:], accepts)]
