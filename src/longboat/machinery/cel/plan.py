"""A checked tree as closures that compute it, and count what that costs in cel-go's units.

A closure takes the frame: a list with what may still be spent first, then what `effort` keeps, then the variables. What
a stretch without branches costs in any case is known beforehand, and is paid at once by whoever enters it: `Part.cost`.
What hangs on sizes is paid as it comes. A name, and a path from one, costs one more (`own`), but not as a branch of
`?:` or as an index, which cel-go resolves without looking.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from longboat.machinery.cel import types
from longboat.machinery.cel.effort import FIRST, Whole, applied
from longboat.machinery.cel.environment import Environment
from longboat.machinery.cel.errors import CostExceeded, EvalError
from longboat.machinery.cel.estimates import LIST, MAP, STRUCT
from longboat.machinery.cel.lib.arithmetic import index
from longboat.machinery.cel.nodes import (
    Call,
    Const,
    Fold,
    Ident,
    ListOf,
    MapOf,
    Node,
    Select,
    StructOf,
)
from longboat.machinery.cel.types import Field, Struct
from longboat.machinery.cel.values import (
    MISSING,
    NO_OVERLOAD,
    NONE,
    Optional,
    Record,
    Uint,
    get,
    shown,
)

Frame = list[Any]
Run = Callable[[Frame], Any]


@dataclass(slots=True)
class Part:
    """`constant`: it is always `value`. `path`: a name, or what is reached from something by fields and indices."""

    run: Run
    cost: int = 0
    own: int = 0
    path: bool = False
    constant: bool = False
    value: Any = None

    @property
    def all(self) -> int:
        return self.cost + self.own


def constant(value: Any) -> Part:
    return Part(lambda frame: value, constant=True, value=value)


def pay(frame: Frame, cost: int) -> None:
    """Raises CostExceeded."""
    frame[0] -= cost
    if frame[0] < 0:
        raise CostExceeded


def entered(part: Part, cost: int) -> Run:
    """What pays for a branch before it is taken."""
    run = part.run
    if not cost:
        return run

    def enter(frame: Frame) -> Any:
        frame[0] -= cost
        if frame[0] < 0:
            raise CostExceeded
        return run(frame)

    return enter


class Planner:
    """Plans one expression. `slots` are where variables are in the frame; `calls` and `folds` plan those nodes."""

    def __init__(
        self,
        environment: Environment,
        variables: list[str],
        calls: Callable[[Planner, Call], Part],
        folds: Callable[[Planner, Fold], Part],
    ) -> None:
        self._calls = calls
        self._folds = folds
        self.environment = environment
        self.slots: dict[str, list[int]] = {name: [i + FIRST] for i, name in enumerate(variables)}
        self.size = len(variables) + FIRST

    def slot(self, name: str) -> int:
        """A new place for a local variable."""
        self.slots.setdefault(name, []).append(self.size)
        self.size += 1
        return self.size - 1

    def leave(self, name: str) -> None:
        self.slots[name].pop()

    def plan(self, node: Node) -> Part:
        match node:
            case Const():
                return constant(node.value)
            case Ident():
                return self._ident(node)
            case Select():
                return self._select(node)
            case Call():
                return self._call(node)
            case ListOf():
                return self._list(node)
            case MapOf():
                return self._map(node)
            case StructOf():
                return self._struct(node)
            case Fold():
                return self._folds(self, node)

    def _ident(self, node: Ident) -> Part:
        if node.constant is not None:
            return constant(node.constant)
        places = self.slots.get(node.name)
        if not places:
            name = node.name

            def absent(frame: Frame) -> Any:
                raise EvalError(f"no such attribute(s): {name}")

            return Part(absent, own=1, path=True)
        place = places[-1]
        return Part(lambda frame: frame[place], own=1, path=True)

    # Paths

    def _from(self, node: Node) -> Part:
        """What a path begins with, or goes on from: it counts one for itself."""
        part = self.plan(node)
        if part.path:
            return part
        return Part(part.run, part.cost, own=1, path=True)

    def _select(self, node: Select) -> Part:
        operand = self._from(node.operand)
        type_ = node.operand.type
        held = type_.params[0] if types.is_optional(type_) else type_
        field = held.field(node.field) if isinstance(held, Struct) else None
        key, convert = (node.field, None) if field is None else (field.key, field.convert)
        if node.test:
            return Part(_has(operand.run, key), operand.cost + 1, path=True)
        if types.is_optional(type_):
            run = _optionally(operand.run, key, convert)
        else:
            run = _selected(operand.run, key, node.field, convert)
        return Part(run, operand.cost + 1, operand.own, path=True)

    def optional_select(self, node: Call) -> Part:
        """`a.?b`"""
        operand = self._from(node.args[0])
        type_, name = node.args[0].type, node.args[1].value  # type: ignore[union-attr]
        held = type_.params[0] if types.is_optional(type_) else type_
        field: Field | None = held.field(name) if isinstance(held, Struct) else None
        key, convert = (name, None) if field is None else (field.key, field.convert)
        return Part(_optionally(operand.run, key, convert), operand.cost + 1, operand.own, path=True)

    def index(self, node: Call) -> Part:
        """`a[b]` and `a[?b]`"""
        operand, key = self._from(node.args[0]), self.plan(node.args[1])
        cost = operand.cost + key.cost + 1
        type_ = node.args[0].type
        if node.function == "_[?_]" or types.is_optional(type_):
            return Part(_optionally_indexed(operand.run, key.run), cost, operand.own, path=True)
        container, place = operand.run, key.run
        if key.constant and type(key.value) is str:
            return Part(_selected(container, key.value, key.value, None), cost, operand.own, path=True)
        return Part(lambda frame: index(container(frame), place(frame)), cost, operand.own, path=True)

    def _call(self, node: Call) -> Part:
        match node.function:
            case "_?._":
                return self.optional_select(node)
            case "_[_]" | "_[?_]":
                return self.index(node)
            case "_?_:_":
                return self._conditional(node)
        return self._calls(self, node)

    def _conditional(self, node: Call) -> Part:
        test, yes, no = (self.plan(arg) for arg in node.args)
        common = min(yes.cost, no.cost)
        condition, one, other = test.run, entered(yes, yes.cost - common), entered(no, no.cost - common)

        def choose(frame: Frame) -> Any:
            found = condition(frame)
            if found is True:
                return one(frame)
            if found is False:
                return other(frame)
            raise EvalError(NO_OVERLOAD)

        return Part(choose, test.all + common, path=True)

    # What is made

    def _list(self, node: ListOf) -> Part:
        parts = [self.plan(item) for item in node.items]
        if all(part.constant for part in parts) and not node.optional:
            return constant([part.value for part in parts])
        runs = [part.run for part in parts]
        cost = sum(part.all for part in parts) + LIST
        if not node.optional:
            if len(runs) == 1:
                only = runs[0]
                return Part(lambda frame: [only(frame)], cost)
            return Part(lambda frame: [run(frame) for run in runs], cost)
        optional = node.optional

        def make(frame: Frame) -> list[Any]:
            made = []
            for i, run in enumerate(runs):
                value = run(frame)
                if i in optional:
                    if not isinstance(value, Optional):
                        raise EvalError(
                            f"cannot initialize optional list element from non-optional value {shown(value)}"
                        )
                    if value.value is MISSING:
                        continue
                    value = value.value
                made.append(value)
            return made

        return Part(make, cost)

    def _map(self, node: MapOf) -> Part:
        parts = [(self.plan(entry.key), self.plan(entry.value), entry.optional) for entry in node.entries]
        cost = sum(key.all + value.all for key, value, _ in parts) + MAP
        runs = [(key.run, value.run, optional) for key, value, optional in parts]

        def make(frame: Frame) -> dict[Any, Any]:
            made: dict[Any, Any] = {}
            for key_of, value_of, optional in runs:
                key, value = key_of(frame), value_of(frame)
                if type(key) not in _KEYS:
                    raise EvalError(f"unsupported key type: {shown(key)}")
                if optional and (value := _held(shown(key), value)) is MISSING:
                    continue
                if key in made:  # which True is too where 1 is: no schema has such a map
                    raise EvalError(f"Failed with repeated key: {shown(key)}")
                made[key] = value
            return made

        if all(key.constant and value.constant and not optional for key, value, optional in parts):
            try:
                return constant(make([]))
            except EvalError:
                return Part(make)  # upstream too says so only when it runs
        return Part(make, cost)

    def _struct(self, node: StructOf) -> Part:
        name = node.name
        parts = [(entry.key, self.plan(entry.value), entry.optional) for entry in node.entries]
        runs = [(key, part.run, optional) for key, part, optional in parts]

        def make(frame: Frame) -> Record:
            made: dict[str, Any] = {}
            for key, run, optional in runs:
                value = run(frame)
                if optional and (value := _held(key, value)) is MISSING:
                    continue
                made[key] = value
            return Record(name, made)

        return Part(make, sum(part.all for _, part, _ in parts) + STRUCT)


_KEYS = frozenset((str, int, Uint, bool))


def _selected(operand: Run, key: str, name: str, convert: Callable[[Any], Any] | None) -> Run:
    def select(frame: Frame) -> Any:
        holder = operand(frame)
        try:
            return holder[key]
        except KeyError:
            raise EvalError(f"no such key: {name}") from None
        except TypeError:
            if isinstance(holder, Optional):
                return _within(holder, key)
            if isinstance(holder, list):
                raise EvalError("unsupported index type 'string' in list") from None
            raise EvalError(f"no such key: {name}") from None  # of null, or of what has no fields

    if convert is None:
        return select
    converted = convert
    if isinstance(converted, Whole):
        return lambda frame: converted.once(select(frame), frame)
    return lambda frame: converted(select(frame))


def _has(operand: Run, key: str) -> Run:
    def has(frame: Frame) -> bool:
        holder = operand(frame)
        if isinstance(holder, dict):
            return key in holder
        return isinstance(holder, Optional) and bool(_within(holder, key))

    return has


def _within(holder: Any, key: Any) -> Optional:
    """A field or an index of what may not be there."""
    if isinstance(holder, Optional):
        if holder.value is MISSING:
            return NONE
        holder = holder.value
    if isinstance(holder, dict):
        found = get(holder, key)
        return NONE if found is MISSING else found if isinstance(found, Optional) else Optional(found)
    if isinstance(holder, list):
        if isinstance(key, float) and key.is_integer():
            key = int(key)
        if not isinstance(key, int) or isinstance(key, bool):
            raise EvalError(NO_OVERLOAD)
        return Optional(holder[key]) if 0 <= key < len(holder) else NONE
    raise EvalError(NO_OVERLOAD)


def _held(key: str, value: Any) -> Any:
    """What an optional entry of a map or an object holds; MISSING where there is to be no entry. Raises EvalError."""
    if not isinstance(value, Optional):
        raise EvalError(f"cannot initialize optional entry '{key}' from non-optional value {shown(value)}")
    return value.value


def _optionally(operand: Run, key: str, convert: Callable[[Any], Any] | None) -> Run:
    if convert is None:
        return lambda frame: _within(operand(frame), key)
    converted = convert

    def select(frame: Frame) -> Optional:
        found = _within(operand(frame), key)
        return Optional(applied(converted, found.value, frame)) if found else found

    return select


def _optionally_indexed(operand: Run, key: Run) -> Run:
    return lambda frame: _within(operand(frame), key(frame))
