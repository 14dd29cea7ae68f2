"""A webhook's match conditions: whether it is for a request at all.

The language is loaded with the first of them: most clusters have none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from longboat.apiserver.admission.outcome import Outcome
from longboat.registry.admission import Attributes

if TYPE_CHECKING:
    from longboat.apiserver.admission.evaluation import Expression, Purse

QUICK = 2_000  # characters: what is compiled on the loop


@dataclass(frozen=True, slots=True)
class Condition:
    name: str
    expression: str


@dataclass(slots=True)
class Conditions:
    """The match conditions of one webhook, compiled when they are first asked."""

    found: Sequence[Condition]
    _compiled: list[tuple[str, Expression]] | None = None

    def __bool__(self) -> bool:
        return bool(self.found)

    async def hold(self, attributes: Attributes, makers: Mapping[str, Callable[[], Any]]) -> Outcome:
        """`makers`: of what they may name."""
        from longboat.apiserver.admission.evaluation import CONDITIONS_BUDGET, Run, Values, met
        from longboat.apiserver.admission.turns import Turns

        if self._compiled is None:
            large = sum(len(each.expression) for each in self.found) > QUICK
            self._compiled = await asyncio.to_thread(self._compile) if large else self._compile()
        conditions, values = self._compiled, Values(makers)

        def work(purse: Purse) -> Outcome:
            return met(conditions, Run(values, {}, purse, CONDITIONS_BUDGET))

        return await Turns(attributes).have(work)

    def _compile(self) -> list[tuple[str, Expression]]:
        from longboat.apiserver.admission.evaluation import compiled_with
        from longboat.machinery.cel import admission

        return [(each.name, compiled_with(each.expression, admission.VARIABLES)) for each in self.found]
