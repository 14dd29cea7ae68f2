"""Runs a schema's rules in CEL against objects (apiextensions, schema/cel).

On an update, what was wrong before and is as it was may stay, where a rule does not look back (KEP-4008). The work is
bounded by the budget of a request; who has rules is checked beside the loop.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.types import expressions, field_paths
from longboat.machinery.types.rules import same
from longboat.machinery.types.structural import EMBEDDED, LIST_TYPE, MAP_KEYS

if TYPE_CHECKING:
    from longboat.machinery.types.expressions import Compiled

LONGEST_MESSAGE = 5 << 10  # bytes of what an expression says
UNCHECKED = (
    "null: some validation rules were not checked because the object was invalid; correct the existing errors to "
    "complete validation"
)
_SPENT = "validation failed due to running out of cost budget, no further validation rules will be run"
_ABSENT: Any = object()


@dataclass(slots=True, eq=False)
class Place:
    """A place in a schema that has rules, or has such places in it."""

    type: str
    rules: list[Compiled] = field(default_factory=list)
    properties: dict[str, Place] = field(default_factory=dict)
    values: Place | None = None
    items: Place | None = None
    keys: tuple[str, ...] = ()  # of a keyed list


def places(schema: Any, root: bool = True) -> Place | None:
    """None where nothing has rules."""
    if not isinstance(schema, dict):
        return None
    found = Place(schema.get("type") or "", expressions.compile_rules(schema, root) if _has(schema) else [])
    for name, inner in (schema.get("properties") or {}).items():
        if (place := places(inner, bool(inner.get(EMBEDDED)))) is not None:
            found.properties[name] = place
    for name in ("additionalProperties", "items"):
        inner = schema.get(name)
        place = places(inner, bool(inner.get(EMBEDDED))) if isinstance(inner, dict) else None
        if name == "items":
            found.items = place
        else:
            found.values = place
    if schema.get(LIST_TYPE) == "map":
        found.keys = tuple(schema.get(MAP_KEYS) or ())
    return found if found.rules or found.properties or found.values or found.items else None


def _has(schema: Object) -> bool:
    return bool(schema.get(expressions.VALIDATIONS))


def check(place: Place, value: Any, err: Errors, old: Any = _ABSENT) -> None:
    """Complain of what breaks a rule; warn of what is as it was in `old`, the version before."""
    with suppress(_Enough):
        _Run(Budget(), err, ratchets=True).walk(place, value, old, Path())


def check_default(place: Place, value: Any, err: Errors, budget: Budget) -> None:
    """As if the value had been there before, and could not stay. `budget` is shared with other defaults."""
    with suppress(_Enough):
        _Run(budget, err, ratchets=False).walk(place, value, value, Path())


def runnable(place: Place | None) -> bool:
    """Whether there are rules, and all of them can be run."""
    if place is None:
        return False
    inner = (*place.properties.values(), place.values, place.items)
    return all(rule.program is not None for rule in place.rules) and all(
        runnable(each) for each in inner if each is not None
    )


class Budget:
    """What the rules that are run for one request may cost, and take."""

    __slots__ = ("effort", "left")

    def __init__(self) -> None:
        from longboat.machinery.cel import REQUEST_BUDGET
        from longboat.machinery.cel.effort import Effort

        self.left, self.effort = REQUEST_BUDGET, Effort()


class _Enough(Exception):
    """No rule runs any more."""


class _Run:
    def __init__(self, budget: Budget, err: Errors, ratchets: bool) -> None:
        self._budget, self._err, self._ratchets = budget, err, ratchets
        self._spent = False

    def walk(self, place: Place, value: Any, old: Any, path: Path, *, kept: bool = False) -> None:
        """`kept`: it is in a list that is as it was, whose items are known by nothing."""
        if value is None:
            return
        for rule in place.rules:
            self._rule(rule, place, value, old, path, kept)
        if isinstance(value, dict):
            before = old if isinstance(old, dict) else {}
            for name, inner in place.properties.items():
                if name in value:
                    self.walk(inner, value[name], before.get(name, _ABSENT), path.at(name), kept=kept)
            if place.values is not None:
                for name, member in value.items():
                    if name not in place.properties:
                        self.walk(place.values, member, before.get(name, _ABSENT), path.key(name), kept=kept)
        elif isinstance(value, list) and place.items is not None:
            had = _keyed(place, old)
            kept = kept or (not place.keys and same(old, value))
            for i, member in enumerate(value):
                self.walk(place.items, member, had.get(_key(place, member), _ABSENT), path.index(i), kept=kept)

    def _rule(self, rule: Compiled, place: Place, value: Any, old: Any, path: Path, kept: bool) -> None:
        from longboat.machinery.cel.values import MISSING, Optional

        absent = old is _ABSENT or old is None
        optional = bool(rule.rule.get("optionalOldSelf"))
        if rule.program is not None and rule.looks_back and absent and not optional:
            return
        before = None if absent else old
        values = {"self": value, "oldSelf": Optional(MISSING if absent else old) if optional else before}
        complaints = Errors()
        try:
            self._judge(rule, place, value, values, path, complaints)
        finally:
            stays = kept or (complaints and not absent and same(old, value))
            if complaints and stays and self._ratchets and not rule.looks_back and not self._spent:
                self._err.warned += map(str, complaints)
            else:
                self._err.merge(complaints)

    def _judge(self, rule: Compiled, place: Place, value: Any, values: Any, path: Path, err: Errors) -> None:
        if rule.program is None:  # it was let in by an older server, and cannot be run by this one
            err.invalid(path, place.type, f"rule compile error: {rule.fault}")
        elif not self._holds(rule, place, values, path, err):
            self._tell(rule, value, values, path, err)

    def _holds(self, rule: Compiled, place: Place, values: Any, path: Path, err: Errors) -> bool:
        """Whether it holds; what keeps it from being told is told."""
        found = self._evaluated(rule.program, values, rule, place, path, err)
        return found is True or found is _ABSENT

    def _evaluated(self, program: Any, values: Any, rule: Compiled, place: Place, path: Path, err: Errors) -> Any:
        from longboat.machinery.cel import CALL_BUDGET, CostExceeded, EvalError

        try:
            found, cost = program.evaluate(values, min(CALL_BUDGET, self._budget.left), self._budget.effort)
        except CostExceeded as error:
            why = (
                f"no further validation rules will be run due to call cost exceeds limit for rule: {rule.rule['rule']}"
            )
            err.invalid(path, place.type, why if self._budget.left > CALL_BUDGET else _SPENT)
            self._spent = True
            raise _Enough from error
        except EvalError as error:
            err.invalid(path, place.type, f"{error.message} evaluating rule: {rule.rule['rule'].strip()}")
            return _ABSENT
        self._budget.left -= cost
        return found

    def _tell(self, rule: Compiled, value: Any, values: Any, path: Path, err: Errors) -> None:
        about, message = rule.rule, self._message(rule, values)
        where, shown = path, value
        if text := about.get("fieldPath"):
            where, shown = path.at(*field_paths.steps(text)), {}
        match about.get("reason"):
            case "FieldValueForbidden":
                err.forbidden(where, message)
            case "FieldValueRequired":
                err.required(where, message)
            case "FieldValueDuplicate":
                err.duplicate(where, shown)
            case _ if isinstance(shown, (dict, list)):
                err.invalid_whole(where, message)
            case _:
                err.invalid(where, shown, message)

    def _message(self, rule: Compiled, values: Any) -> str:
        from longboat.machinery.cel import CALL_BUDGET, CostExceeded, EvalError

        said = (rule.rule.get("message") or "").strip() or f"failed rule: {rule.rule['rule'].strip()}"
        if rule.message is None:
            return said
        try:
            text, cost = rule.message.evaluate(values, min(CALL_BUDGET, self._budget.left), self._budget.effort)
        except (CostExceeded, EvalError):
            return said
        self._budget.left -= cost
        fits = isinstance(text, str) and text.strip() and "\n" not in text and len(text.encode()) <= LONGEST_MESSAGE
        return text.strip() if fits else said


def _keyed(place: Place, value: Any) -> dict[Any, Any]:
    return {_key(place, each): each for each in value} if place.keys and isinstance(value, list) else {}


def _key(place: Place, member: Any) -> Any:
    return repr([member.get(name) for name in place.keys]) if place.keys and isinstance(member, dict) else _ABSENT
