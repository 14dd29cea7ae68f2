"""Runs expressions of a policy or a webhook over one request, within what upstream lets them cost.

Pure: the same values give the same results, so that what turns out dear begins anew beside the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from longboat.apiserver.admission.outcome import Outcome as Holding
from longboat.machinery import cel
from longboat.machinery.cel import CALL_BUDGET, REQUEST_BUDGET, CostExceeded, EvalError
from longboat.machinery.cel.program import Declared
from longboat.machinery.cel.types import Struct, Type
from longboat.machinery.cel.values import MISSING

CONDITIONS_BUDGET = REQUEST_BUDGET // 4  # of all match conditions (apiserver, RuntimeCELCostBudgetMatchConditions)
VARIABLES = "variables"
_SPENT = "validation failed due to running out of cost budget, no further validation rules will be run"


@dataclass(frozen=True, slots=True)
class Expression:
    """`fault`: why there is no program. Validation has let none pass, but an older server may have."""

    source: str
    program: cel.Program | None
    fault: str = ""


def compiled_with(
    source: str, variables: Mapping[str, Type | Declared], structs: Mapping[str, Struct] | None = None
) -> Expression:
    """One that does not compile fails when it is run."""
    try:
        return Expression(source, cel.compile(source, variables, structs=structs))
    except cel.CompileError as error:
        return Expression(source, None, f"compilation error: compilation failed: {error.message}")


class Later(Exception):
    """It costs more than may hold the event loop."""


class OutOfBudget(Exception):
    """All expressions that are about this request cost more than they may."""

    def __init__(self) -> None:
        super().__init__(_SPENT)


class Purse:
    """What may be spent at once. None: as much as there is."""

    __slots__ = ("left",)

    def __init__(self, left: int | None) -> None:
        self.left = left

    def take(self, cost: int) -> None:
        if self.left is not None:
            self.left -= cost


@dataclass(frozen=True, slots=True)
class Outcome:
    """The value, or why there is none."""

    value: Any = None
    error: str = ""


class Values(dict[str, Any]):
    """What expressions may name, made when they do."""

    __slots__ = ("_makers",)

    def __init__(self, makers: Mapping[str, Callable[[], Any]]) -> None:
        super().__init__()
        self._makers = makers

    def __missing__(self, name: str) -> Any:
        found = self[name] = self._makers[name]()
        return found


class Shared(dict[str, Any]):
    """Values of its own, and those of a request that are not hidden."""

    __slots__ = ("_hidden", "_values")

    def __init__(self, own: Mapping[str, Any], values: Values, hidden: frozenset[str]) -> None:
        super().__init__(own)
        self._values, self._hidden = values, hidden

    def __missing__(self, name: str) -> Any:
        if name in self._hidden:
            raise KeyError(name)
        return self._values[name]


class Run:
    """Expressions that share their variables and their budget."""

    def __init__(
        self, values: dict[str, Any], variables: Mapping[str, Expression], purse: Purse, budget: int = REQUEST_BUDGET
    ) -> None:
        self.left = budget
        self._values, self._purse = values, purse
        self._composed = 0  # cost of variables since an expression has begun
        if variables:
            values[VARIABLES] = _Variables(variables, self)

    def evaluate(self, expression: Expression) -> Outcome:
        """Raises OutOfBudget, Later."""
        if expression.program is None:
            return Outcome(error=expression.fault)
        self._composed = 0
        found: Any = None
        error, cost = "", 0
        try:
            found, cost = self._run(expression)
        except CostExceeded as exceeded:
            error, cost = exceeded.message, CALL_BUDGET
        except EvalError as failed:
            error = failed.message
        self.left -= self._composed + cost
        if self.left < 0:
            raise OutOfBudget
        if error:
            return Outcome(error=f"expression '{expression.source}' resulted in error: {error}")
        return Outcome(found)

    def variable(self, name: str, expression: Expression) -> Any:
        """Raises EvalError, Later."""
        if expression.program is None:
            raise EvalError(f'composited variable "{name}" fails to compile: {expression.fault}')
        try:
            found, cost = self._run(expression)
        except CostExceeded as exceeded:
            self._composed += CALL_BUDGET
            raise EvalError(f'composited variable "{name}" fails to evaluate: {exceeded.message}') from exceeded
        except EvalError as failed:
            raise EvalError(f'composited variable "{name}" fails to evaluate: {failed.message}') from failed
        self._composed += cost
        return found

    def _run(self, expression: Expression) -> tuple[Any, int]:
        """Raises EvalError, CostExceeded, Later."""
        assert expression.program is not None
        purse = self._purse
        at_once = purse.left
        if at_once is None or at_once > CALL_BUDGET:
            return expression.program.evaluate(self._values)
        try:
            found, cost = expression.program.evaluate(self._values, max(at_once, 0))
        except CostExceeded as exceeded:
            raise Later from exceeded
        purse.take(cost)
        return found, cost


class _Variables(dict[str, Any]):
    """A policy's variables: each is computed when it is first named, if it ever is."""

    def __init__(self, expressions: Mapping[str, Expression], run: Run) -> None:
        super().__init__()
        self._expressions, self._run = expressions, run
        self._failed: dict[str, EvalError] = {}

    def __missing__(self, name: str) -> Any:
        if name in self._failed:
            raise self._failed[name]
        try:
            found = self[name] = self._run.variable(name, self._expressions[name])
        except EvalError as error:
            self._failed[name] = error
            raise
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._expressions and self[str(name)] is not MISSING

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self._expressions else default


def met(conditions: Iterable[tuple[str, Expression]], run: Run) -> Holding:
    """Whether all match conditions hold: each is evaluated, and one that is false settles it, whatever is wrong with
    others. Raises Later."""
    errors, failed = list[str](), ""
    try:
        for name, condition in conditions:
            found = run.evaluate(condition)
            if found.error:
                errors.append(found.error)
            elif found.value is False:
                failed = failed or name
    except OutOfBudget as spent:
        return Holding(False, (str(spent),))
    return Holding(False, failed=failed) if failed else Holding(not errors, errors)
