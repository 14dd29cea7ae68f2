"""Where a request's expressions are evaluated: on the loop while that takes little, else beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from longboat.apiserver.admission.evaluation import Later, Purse
from longboat.machinery.cel.errors import Waiting
from longboat.machinery.cel.program import AT_ONCE
from longboat.registry.admission import Attributes

T = TypeVar("T")

IN_A_ROW = 100  # pieces of work, before others have their turn


class Turns:
    """Has the work of one request done, so that it never holds the loop for long: what costs more than may be spent at
    once begins anew beside it, and many that are cheap make way between them."""

    def __init__(self, attributes: Attributes) -> None:
        self._seat, self.operation = attributes.seat, attributes.operation
        self._purse, self._done = Purse(AT_ONCE), 0

    async def have(self, work: Callable[[Purse], T]) -> T:
        while True:
            try:
                return await self._had(work)
            except Waiting as waiting:
                await waiting.ask()

    async def _had(self, work: Callable[[Purse], T]) -> T:
        """Raises Waiting."""
        if self._seat.taken:
            return await self._seat.run(work, Purse(None))
        self._done += 1
        if self._done % IN_A_ROW == 0:
            await asyncio.sleep(0)
            self._purse = Purse(AT_ONCE)
        try:
            return work(self._purse)
        except Later:
            self._purse = Purse(AT_ONCE)
            return await self._seat.beside(work, Purse(None))
