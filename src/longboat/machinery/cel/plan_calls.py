"""Calls as closures: the operators that stop early, calls that are decided beforehand, and those that are not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from longboat.machinery.cel import effort, library_costs, types
from longboat.machinery.cel.errors import CompileError, CostExceeded, EvalError
from longboat.machinery.cel.estimates import TEXT
from longboat.machinery.cel.functions import Implementation, Overload
from longboat.machinery.cel.lib import conversions, regex
from longboat.machinery.cel.nodes import Call
from longboat.machinery.cel.plan import Frame, Part, Planner, Run, constant, entered
from longboat.machinery.cel.values import NO_OVERLOAD, Optional, contains, equal, type_name

_PRIMITIVE = (str, int, float, bool, bytes, type(None))


def plan(planner: Planner, node: Call) -> Part:
    match node.function:
        case "_&&_":
            return _logical(planner, node, stops=False)
        case "_||_":
            return _logical(planner, node, stops=True)
        case "or" | "orValue" if node.target is not None and len(node.args) == 1:
            return _otherwise(planner, node)
    parts = [planner.plan(each) for each in node.operands]
    if node.function == "@in" and parts[1].constant and (made := _membership(parts[0], parts[1].value)) is not None:
        return made
    cost = sum(part.all for part in parts)
    runs = [part.run for part in parts]
    if node.function in ("_==_", "_!=_"):
        return _equality(node, parts, cost)
    implementation = _implementation(planner, node, parts)
    actual = library_costs.actual(node.function, node.overloads)
    if node.function in conversions.FUNCTIONS and len(parts) == 1 and parts[0].constant:
        try:
            return constant(implementation(parts[0].value))
        except EvalError as error:
            raise CompileError(error.message) from error
    visits = effort.of(node.function, [each.type.kind for each in node.operands])
    if isinstance(actual, int):
        run = _called(runs, implementation) if visits is None else _visiting(runs, implementation, visits)
        return Part(run, cost + actual)
    dear = node.function in library_costs.KNOWN_BEFORE
    return Part(_counted(runs, implementation, actual, visits, dear), cost)


def _logical(planner: Planner, node: Call, stops: bool) -> Part:
    """`&&` and `||`: one term that decides makes errors of the others nothing."""
    parts = [planner.plan(arg) for arg in node.args]
    first, rest = parts[0].run, [entered(part, part.all) for part in parts[1:]]
    terms, goes_on = (first, *rest), not stops

    def decide(frame: Frame) -> bool:
        error: EvalError | None = None
        for term in terms:
            try:
                found = term(frame)
            except EvalError as wrong:
                error = error or wrong
                continue
            if found is stops:
                decided: bool = stops
                return decided
            if found is not goes_on:
                error = error or EvalError(NO_OVERLOAD)
        if error is not None:
            raise error
        return goes_on

    return Part(decide, parts[0].all)


def _otherwise(planner: Planner, node: Call) -> Part:
    """`optional.or(other)` and `optional.orValue(value)`"""
    assert node.target is not None
    held, other = planner.plan(node.target), planner.plan(node.args[0])
    first, second, unwrap = held.run, entered(other, other.all), node.function == "orValue"

    def choose(frame: Frame) -> Any:
        found = first(frame)
        if not isinstance(found, Optional):
            raise EvalError(NO_OVERLOAD)
        if found:
            return found.value if unwrap else found
        return second(frame)

    return Part(choose, held.all)


def _membership(value: Part, items: Any) -> Part | None:
    """`value in [...]` of literals costs nothing by itself, as upstream."""
    if type(items) is not list or not all(isinstance(item, _PRIMITIVE) for item in items):
        return None
    if not items:
        return constant(False)
    run = value.run
    if all(type(item) is str for item in items):
        known = frozenset(items)

        def one_of(frame: Frame) -> bool:
            found = run(frame)
            return type(found) is str and found in known

        return Part(one_of, value.all)
    return Part(lambda frame: contains(items, run(frame)), value.all)


_SIMPLE = frozenset(("bool", "int", "uint", "double", "duration", "timestamp", "null", "type"))
_UNIT = frozenset(
    each.name
    for each in (
        types.QUANTITY, types.URL, types.FORMAT, types.SEMVER, types.IP, types.CIDR, types.AUTHORIZER,
        types.PATH_CHECK, types.GROUP_CHECK, types.RESOURCE_CHECK, types.DECISION,
    )
)  # fmt: skip


_ONE = frozenset((int, bool, float))


def _equality(node: Call, parts: list[Part], cost: int) -> Part:
    one, other = parts[0].run, parts[1].run
    wanted = node.function == "_==_"
    kinds = [each.type.kind for each in node.operands]
    if all(kind in _SIMPLE for kind in kinds):
        if kinds[0] == kinds[1] and kinds[0] in ("bool", "int"):
            if wanted:
                return Part(lambda frame: one(frame) == other(frame), cost + 1)
            return Part(lambda frame: one(frame) != other(frame), cost + 1)
        return Part(lambda frame: equal(one(frame), other(frame)) is wanted, cost + 1)
    if wanted and node.operands[0].type.name in _UNIT:
        return Part(lambda frame: equal(one(frame), other(frame)), cost + 1)
    if kinds[0] == kinds[1] == "string":
        return Part(_equal_text(one, other, wanted), cost)
    actual = library_costs.actual(node.function, node.overloads)
    assert not isinstance(actual, int)

    def compare(frame: Frame) -> bool:
        a, b = one(frame), other(frame)
        kind = type(a)
        if kind is type(b) and kind in _ONE:
            frame[0] -= 1
            if frame[0] < 0:
                raise CostExceeded
            return (a == b) is wanted
        effort.compared(frame, a)
        left = frame[0] - (1 if wanted and type_name(a) in _UNIT else actual([a, b], None))
        frame[0] = left
        if left < 0:
            raise CostExceeded
        return equal(a, b) is wanted

    return Part(compare, cost)


def _equal_text(one: Run, other: Run, wanted: bool) -> Run:
    def compare(frame: Frame) -> bool:
        a, b = one(frame), other(frame)
        short = min(len(a), len(b))
        if short:
            left = frame[0] - (1 if short <= 10 else math.ceil(short * TEXT))
            frame[0] = left
            if left < 0:
                raise CostExceeded
        return (a == b) is wanted

    return compare


def _implementation(planner: Planner, node: Call, parts: list[Part]) -> Implementation:
    """What computes a call; of several overloads, the one for the values there are."""
    found = planner.environment.function(node.function)
    overloads = found[1] if found else []
    member = node.target is not None
    fitting = [each for each in overloads if each.member == member and len(each.args) == len(parts)]
    if node.overloads:
        fitting = [each for each in fitting if each.id in node.overloads]
    if node.function in ("find", "findAll", "matches") and len(parts) >= 2 and parts[1].constant:
        try:
            regex.check(parts[1].value)
        except EvalError as error:
            raise CompileError(error.message) from error
        if node.function == "matches":
            return _matching(regex.matcher(parts[1].value))
    known = bool(node.overloads) and not any(_open(each.type) for each in node.operands)
    if len(fitting) == 1 and (known or not any(fitting[0].names)):
        assert fitting[0].call is not None
        return fitting[0].call
    return _dispatched(node.function, fitting)


def _matching(matches: Callable[[str], bool]) -> Implementation:
    def call(text: Any, _: Any) -> bool:
        if type(text) is not str:
            raise EvalError(f"no such overload: matches({type_name(text)}, string)")
        return matches(text)

    return call


_MOST_KNOWN = 64  # a record's type is one class, whatever its name: there are no more


def _open(type_: types.Type) -> bool:
    return type_.kind in ("dyn", "any", "error", "param", "wrapper", "null")


def _dispatched(name: str, overloads: list[Overload]) -> Implementation:
    """Remembers which overload values of these types have."""
    known: dict[tuple[type, ...], Implementation] = {}

    def find(args: tuple[Any, ...]) -> Implementation:
        named = tuple(map(type_name, args))
        for each in overloads:
            if each.call is not None and all(a in ("", b) for a, b in zip(each.names, named, strict=True)):
                if len(known) < _MOST_KNOWN:
                    known[tuple(map(type, args))] = each.call
                return each.call
        if not name.isidentifier() and "." not in name:
            raise EvalError(NO_OVERLOAD)
        raise EvalError(f"no such overload: {name}({', '.join(named)})")

    def two(one: Any, other: Any) -> Any:
        return (known.get((type(one), type(other))) or find((one, other)))(one, other)

    def any_number(*args: Any) -> Any:
        return (known.get(tuple(map(type, args))) or find(args))(*args)

    return two if overloads and len(overloads[0].args) == 2 else any_number


def _called(runs: list[Run], call: Callable[..., Any]) -> Run:
    match len(runs):
        case 0:
            return lambda frame: call()
        case 1:
            only = runs[0]
            return lambda frame: call(only(frame))
        case 2:
            one, other = runs
            return lambda frame: call(one(frame), other(frame))
    return lambda frame: call(*[run(frame) for run in runs])


def _visiting(runs: list[Run], call: Callable[..., Any], visits: effort.Visits) -> Run:
    def run(frame: Frame) -> Any:
        args = [each(frame) for each in runs]
        effort.visit(frame, visits(args))
        return call(*args)

    return run


def _counted(
    runs: list[Run],
    call: Callable[..., Any],
    cost: library_costs.Actual,
    visits: effort.Visits | None = None,
    dear: bool = False,
) -> Run:
    """A call whose cost hangs on its arguments. It is paid after, as upstream does; an error counts one. What is `dear`
    is not begun where it could not be paid."""
    try:
        of_error = cost([_WRONG] * len(runs), _WRONG)
    except TypeError:
        of_error = 1

    def run(frame: Frame) -> Any:
        try:
            args = [each(frame) for each in runs]
            if visits is not None:
                effort.visit(frame, visits(args))
            if dear and cost(args, None) > frame[0]:
                raise CostExceeded
            result = call(*args)
        except EvalError:
            frame[0] -= of_error
            if frame[0] < 0:
                raise CostExceeded from None
            raise
        left = frame[0] - cost(args, result)
        frame[0] = left
        if left < 0:
            raise CostExceeded
        return result

    return run


_WRONG = object()
