"""Comprehensions as loops. Each pays what the fold costs that its macro stands for, at every turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from longboat.machinery.cel import types
from longboat.machinery.cel.errors import CostExceeded, EvalError
from longboat.machinery.cel.estimates import LIST
from longboat.machinery.cel.lib.lists import inserted
from longboat.machinery.cel.nodes import Fold
from longboat.machinery.cel.plan import Frame, Part, Planner, Run, entered
from longboat.machinery.cel.values import NO_OVERLOAD, type_name

_GO = {
    "string": "types.String", "int": "types.Int", "uint": "types.Uint", "double": "types.Double", "bool": "types.Bool",
    "bytes": "types.Bytes", "null_type": "types.Null", "google.protobuf.Timestamp": "types.Timestamp",
    "google.protobuf.Duration": "types.Duration", "optional_type": "*types.Optional",
}  # fmt: skip
Items = Callable[[Frame], Iterable[Any]]


def plan(planner: Planner, node: Fold) -> Part:
    if node.macro == "bind":
        return _bind(planner, node)
    over = planner.plan(node.over)
    places = [planner.slot(name) for name in node.variables]
    assert node.given is not None
    given = planner.plan(node.given)
    condition = None if node.condition is None else planner.plan(node.condition)
    for name in node.variables:
        planner.leave(name)
    items = _pairs(over.run) if len(places) == 2 else _items(over.run)
    match node.macro:
        case "all" | "exists":
            run = _quantified(items, places, given, stops=node.macro == "exists")
            return Part(run, over.all + 1)
        case "exists_one":
            return Part(_exactly_one(items, places, given), over.all + 2)
        case "map":
            return Part(_listed(items, places, given, condition), over.all + 1)
    return Part(_mapped(items, places, given, condition, entries=node.macro == "mapEntry"), over.all + 1)


def _bind(planner: Planner, node: Fold) -> Part:
    value = planner.plan(node.start)
    place = planner.slot(node.accumulator)
    within = planner.plan(node.result)
    planner.leave(node.accumulator)
    first, then = value.run, within.run

    def run(frame: Frame) -> Any:
        frame[place] = first(frame)
        return then(frame)

    return Part(run, value.all + within.all)


def _not_iterable(value: Any) -> EvalError:
    name = type_name(value)
    return EvalError(f"got '{_GO.get(name, name)}', expected iterable type")


def _items(over: Run) -> Items:
    def items(frame: Frame) -> Iterable[Any]:
        found = over(frame)
        if isinstance(found, (list, dict)):
            return found
        raise _not_iterable(found)

    return items


def _pairs(over: Run) -> Items:
    def pairs(frame: Frame) -> Iterable[Any]:
        found = over(frame)
        if isinstance(found, list):
            return enumerate(found)
        if isinstance(found, dict):
            return found.items()
        raise _not_iterable(found)

    return pairs


def _put(frame: Frame, places: list[int], item: Any) -> None:
    if len(places) == 1:
        frame[places[0]] = item
    else:
        frame[places[0]], frame[places[1]] = item


def _quantified(items: Items, places: list[int], given: Part, stops: bool) -> Run:
    """all and exists: at every turn whether to go on is asked, and once more after what decided."""
    asked = 3 if stops else 2
    each, predicate, two = asked + 1 + given.all, given.run, len(places) == 2
    place, goes_on = places[0], not stops

    def run(frame: Frame) -> bool:
        error: EvalError | None = None
        decided = False
        for item in items(frame):
            if decided:
                frame[0] -= asked
                if frame[0] < 0:
                    raise CostExceeded
                break
            left = frame[0] - each
            frame[0] = left
            if left < 0:
                raise CostExceeded
            if two:
                frame[places[0]], frame[places[1]] = item
            else:
                frame[place] = item
            try:
                found = predicate(frame)
            except EvalError as wrong:
                error = error or wrong
                continue
            if found is stops:
                decided = True
            elif found is not goes_on:
                error = error or EvalError(NO_OVERLOAD)
        if decided:
            return stops
        if error is not None:
            raise error
        return goes_on

    return run


def _exactly_one(items: Items, places: list[int], given: Part) -> Run:
    predicate, each, two, place = given.run, given.all, len(places) == 2, places[0]

    def run(frame: Frame) -> bool:
        error: EvalError | None = None
        count = 0
        for item in items(frame):
            left = frame[0] - each
            frame[0] = left
            if left < 0:
                raise CostExceeded
            if two:
                frame[place], frame[places[1]] = item
            else:
                frame[place] = item
            try:
                found = predicate(frame)
            except EvalError as wrong:
                error = wrong
                continue
            if found is True:
                frame[0] -= 2
                count += 1
            elif found is not False:
                error = EvalError(NO_OVERLOAD)
        if error is not None:
            raise error
        if frame[0] < 0:
            raise CostExceeded
        return count == 1

    return run


def _listed(items: Items, places: list[int], given: Part, condition: Part | None) -> Run:
    """map, filter and transformList."""
    place, two = places[0], len(places) == 2
    added = LIST + 2 + given.all if not given.constant else 2
    value = given.run
    if condition is None:

        def every(frame: Frame) -> list[Any]:
            made = []
            for item in items(frame):
                left = frame[0] - added
                frame[0] = left
                if left < 0:
                    raise CostExceeded
                if two:
                    frame[places[0]], frame[places[1]] = item
                else:
                    frame[place] = item
                made.append(value(frame))
            return made

        return every
    test, asked = condition.run, condition.all

    def some(frame: Frame) -> list[Any]:
        made = []
        for item in items(frame):
            left = frame[0] - asked
            frame[0] = left
            if left < 0:
                raise CostExceeded
            if two:
                frame[places[0]], frame[places[1]] = item
            else:
                frame[place] = item
            found = test(frame)
            if found is True:
                left = frame[0] - added
                frame[0] = left
                if left < 0:
                    raise CostExceeded
                made.append(value(frame))
            elif found is not False:
                raise EvalError(NO_OVERLOAD)
        return made

    return some


def _mapped(items: Items, places: list[int], given: Part, condition: Part | None, entries: bool) -> Run:
    """transformMap and transformMapEntry."""
    cost = given.all + (2 if entries else 3)  # what is made, its key, and to put it in
    value = entered(given, cost)
    test = None if condition is None else entered(condition, condition.all)

    def run(frame: Frame) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        for item in items(frame):
            _put(frame, places, item)
            if test is not None:
                found = test(frame)
                if found is False:
                    continue
                if found is not True:
                    raise EvalError(NO_OVERLOAD)
            result = value(frame)
            if not entries:
                inserted(made, frame[places[0]], result)
                continue
            if not isinstance(result, dict):
                raise EvalError(NO_OVERLOAD)
            for key, each in result.items():
                inserted(made, key, each)
        return made

    return run


__all__ = ["plan", "types"]
