"""An expression that can be run: `compile`, and `Program`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from longboat.aio.threads import handing_over
from longboat.machinery.cel import plan_calls, plan_folds
from longboat.machinery.cel.checker import check
from longboat.machinery.cel.cost import Sizes, estimate, no_sizes
from longboat.machinery.cel.effort import PER_UNIT, VISITS, Effort, applied
from longboat.machinery.cel.environment import KUBERNETES, Environment
from longboat.machinery.cel.errors import CompileError, CostExceeded, EvalError, Issues, Waiting
from longboat.machinery.cel.estimates import Range
from longboat.machinery.cel.nodes import Ident, Node, children
from longboat.machinery.cel.parser import failed, parse
from longboat.machinery.cel.plan import Frame, Planner
from longboat.machinery.cel.types import Struct, Type
from longboat.machinery.cel.validators import validate
from longboat.machinery.cel.values import NO_OVERLOAD

CALL_BUDGET = 1_000_000  # of one expression (apiserver, PerCallLimit)
REQUEST_BUDGET = 10_000_000  # of all expressions that are about one request (apiserver, RuntimeCELCostBudget)
AT_ONCE = 5_000  # what may be spent on the event loop: at most 2 ms, and 6 of visits
_BROKEN = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True)
class Declared:
    """A variable: its type, how its JSON becomes a value of it, and how large what is in it may be."""

    type: Type
    convert: Callable[[Any], Any] | None = None
    sizes: Sizes = no_sizes


@dataclass(slots=True)
class Program:
    """A compiled expression. It is the same for all who run it, in any thread."""

    source: str
    result: Type
    names: frozenset[str]  # the variables that it mentions
    _run: Callable[[Frame], Any]
    _cost: int
    _size: int
    _variables: list[tuple[str, Callable[[Any], Any] | None]]
    _root: Node
    _sizes: Sizes
    _estimate: Range | None = field(default=None)

    @property
    def estimated_cost(self) -> Range:
        """The least and the most that it may cost."""
        if self._estimate is None:
            self._estimate = estimate(self._root, self._sizes)
        return self._estimate

    def evaluate(
        self, values: Mapping[str, Any], budget: int = CALL_BUDGET, effort: Effort | None = None
    ) -> tuple[Any, int]:
        """The value, and what it cost. `effort`: shared with others about the same values, which stay as they are.
        Raises EvalError, and CostExceeded where the budget is not enough."""
        visits = budget * PER_UNIT if effort is None else min(budget * PER_UNIT, effort.left)
        frame: Frame = [budget - self._cost, visits, {} if effort is None else effort.memo]
        if frame[0] < 0:
            raise CostExceeded
        try:
            for name, convert in self._variables:
                value = values[name]
                frame.append(value if convert is None or value is None else applied(convert, value, frame))
        except KeyError as error:
            raise EvalError(f"no such attribute(s): {error.args[0]}") from None
        frame.extend([None] * (self._size - len(frame)))
        try:
            return self._run(frame), budget - frame[0]
        except MemoryError:
            raise CostExceeded from None
        except _BROKEN as error:
            raise EvalError(NO_OVERLOAD) from error  # a value that is not of its declared type
        finally:
            if effort is not None:
                effort.left -= visits - frame[VISITS]

    async def run(self, values: Mapping[str, Any], budget: int = CALL_BUDGET) -> tuple[Any, int]:
        """As `evaluate`, but no dear expression holds the event loop: it begins anew in a thread."""
        while True:
            try:
                return self.evaluate(values, min(budget, AT_ONCE))
            except Waiting as waiting:
                await waiting.ask()
            except CostExceeded:
                if budget <= AT_ONCE:
                    raise
                break
        while True:
            try:
                return await _beside(self, values, budget)
            except Waiting as waiting:
                await waiting.ask()


async def _beside(program: Program, values: Mapping[str, Any], budget: int) -> tuple[Any, int]:
    with handing_over():
        return await asyncio.to_thread(program.evaluate, values, budget)


def compile(
    source: str,
    variables: Mapping[str, Type | Declared],
    environment: Environment = KUBERNETES,
    structs: Mapping[str, Struct] | None = None,
) -> Program:
    """Parse, check and plan an expression that may name these variables.

    Raises CompileError: with issues in upstream's words, or without where constants of it cannot be computed.
    """
    declared = {name: each if isinstance(each, Declared) else Declared(each) for name, each in variables.items()}
    within = environment.having({name: each.type for name, each in declared.items()}, structs)
    root = parse(source, binds=environment.binds)
    issues = Issues(source)
    try:
        root = check(root, within, issues)
        if not issues:
            validate(root, issues, environment.mixed)
        if issues:
            raise failed(issues)
        try:
            return _program(source, root, declared, within)
        except CompileError as error:
            error.result = root.type  # what it would give: upstream asks that first
            raise
    except RecursionError:
        issues.add(-1, "expression recursion limit exceeded: 250")
        raise failed(issues) from None


def _program(source: str, root: Node, declared: Mapping[str, Declared], environment: Environment) -> Program:
    names = _names(root)
    used = [name for name in environment.variables if name in names]
    planner = Planner(environment, used, plan_calls.plan, plan_folds.plan)
    part = planner.plan(root)
    sizes = {name: declared[name].sizes for name in used if name in declared}

    anywhere = next(iter(sizes.values()), no_sizes)  # what is no variable's is the first one's, as upstream

    def sized(path: tuple[str, ...]) -> int | None:
        known = sizes.get(path[0], anywhere)
        return known(path)

    return Program(
        source,
        root.type,
        frozenset(used),
        part.run,
        part.all,
        planner.size,
        [(name, declared[name].convert if name in declared else None) for name in used],
        root,
        sized,
    )


def _names(root: Node) -> set[str]:
    found: set[str] = set()
    pending = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, Ident):
            found.add(node.name)
        pending.extend(children(node))
    return found


__all__ = ["CALL_BUDGET", "REQUEST_BUDGET", "CompileError", "Declared", "Program", "compile"]
