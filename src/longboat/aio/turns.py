"""Taking turns: who asks for the same thing gets it one at a time, in the order of asking."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class Turns:
    """A line per key, which exists while anybody stands in it."""

    def __init__(self) -> None:
        self._lines: dict[Hashable, asyncio.Lock] = {}
        self._standing: Counter[Hashable] = Counter()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._lines

    @asynccontextmanager
    async def of(self, key: Hashable) -> AsyncIterator[None]:
        """Wait until all who asked before have been; the body is this one's turn."""
        line = self._lines.setdefault(key, asyncio.Lock())
        self._standing[key] += 1
        try:
            async with line:
                yield
        finally:
            self._standing[key] -= 1
            if not self._standing[key]:
                del self._standing[key], self._lines[key]
