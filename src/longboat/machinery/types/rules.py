"""Which values a structural schema allows, and what upstream says of others.

A rule is what a schema says of one place. Rules are checked after `settle`, and on an update beside the version before:
what was wrong already, and has not been touched, is no obstacle (KEP-4008).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.types import formats, patterns
from longboat.machinery.types.structural import EMBEDDED, INT_OR_STRING, LIST_TYPE, MAP_KEYS

MOST_CHECKS = 2_000_000  # of a rule against a value: some seconds of work, beside the loop
ABSENT: Any = object()
_INTEGERS = {"int32": 1 << 31, "int64": 1 << 63}

_encode = msgspec.json.Encoder(order="sorted").encode


@dataclass(slots=True, eq=False)
class Rule:
    """What holds for a value. `schema` has the limits under the names of JSON schema."""

    types: tuple[str, ...]
    schema: Object
    properties: dict[str, Rule] = field(default_factory=dict)
    additional: Rule | None = None
    closed: bool = False  # additionalProperties: false
    items: Rule | None = None
    any_of: tuple[Rule, ...] = ()
    one_of: tuple[Rule, ...] = ()
    all_of: tuple[Rule, ...] = ()
    none_of: Rule | None = None
    allowed: frozenset[bytes] = frozenset()  # enum, as JSON
    resource: bool = False  # it is an embedded resource
    heavy: bool = False  # it, or something in it, has a pattern or combines rules
    deep: bool = False  # it, or something in it, is an embedded resource, a set or a keyed list

    @property
    def keyed(self) -> str:
        """set, map or "" for an ordinary list."""
        kind: str = self.schema.get(LIST_TYPE) or ""
        return kind if kind in ("set", "map") else ""


def compile_rule(schema: Object) -> Rule:
    """Linear in the schema, which is no deeper than `structural` allows."""
    additional, items = schema.get("additionalProperties"), schema.get("items")
    kind = schema.get("type") or ""
    rule = Rule(
        types=("integer", "string") if schema.get(INT_OR_STRING) else (kind,) if kind else (),
        schema=schema,
        properties={name: compile_rule(about) for name, about in sorted((schema.get("properties") or {}).items())},
        additional=compile_rule(additional) if isinstance(additional, dict) else None,
        closed=additional is False,
        items=compile_rule(items) if isinstance(items, dict) else None,
        any_of=_each(schema.get("anyOf")),
        one_of=_each(schema.get("oneOf")),
        all_of=_each(schema.get("allOf")),
        none_of=compile_rule(schema["not"]) if isinstance(schema.get("not"), dict) else None,
        allowed=frozenset(_encode(plain(value)) for value in schema.get("enum") or ()),
        resource=bool(schema.get(EMBEDDED)),
    )
    inner = (*rule.properties.values(), *(each for each in (rule.additional, rule.items) if each))
    combines = bool(rule.any_of or rule.one_of or rule.all_of or rule.none_of)
    rule.heavy = combines or bool(schema.get("pattern")) or any(each.heavy for each in inner)
    rule.deep = bool(rule.keyed) or rule.resource or any(each.deep for each in inner)
    return rule


def _each(schemas: Iterable[Object] | None) -> tuple[Rule, ...]:
    return tuple(compile_rule(schema) for schema in schemas or ())


def plain(value: Any) -> Any:
    """A number without a fraction as an integer: to Go's JSON they are one."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e21 else value


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are one and the same, types included."""
    return one is other or (one == other and _encode(one) == _encode(other))


def type_of(value: Any) -> str:
    """In the words of JSON schema."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


def check(rule: Rule, value: Any, err: Errors, old: Any = ABSENT) -> None:
    """Complain of all that is wrong with an object. `old` is the version before."""
    try:
        _Check().walk(rule, value, old, "", err)
    except _TooLong:
        err.invalid_whole(Path(), "it takes too long to check")


class _TooLong(Exception):
    """Many rules on many values: what has not been checked does not hold."""


class _Check:
    def __init__(self) -> None:
        self._left = MOST_CHECKS
        self._scratch = Errors()  # for what is wrong with one value; anew when something was

    def walk(self, rule: Rule, value: Any, old: Any, path: str, err: Errors) -> None:
        self._left -= 1
        if self._left < 0:
            raise _TooLong
        wrong = self._scratch
        self._own(rule, value, path, wrong)
        if wrong:
            self._scratch = Errors()
            if old is ABSENT or not same(old, value):
                err.merge(wrong)
        if type(value) is dict:
            before = old if type(old) is dict else {}
            for name, member in value.items():
                inner = rule.properties.get(name) or rule.additional
                if inner is not None:
                    self.walk(inner, member, before.get(name, ABSENT), f"{path}.{name}" if path else name, err)
        elif type(value) is list and rule.items is not None:
            earlier = _correlated(rule, value, old)
            for i, member in enumerate(value):
                self.walk(rule.items, member, earlier[i] if earlier else ABSENT, f"{path}[{i}]", err)

    def _own(self, rule: Rule, value: Any, path: str, err: Errors) -> None:
        """What is wrong with this value itself."""
        if value is None and (rule.schema.get("nullable") or not rule.types):
            return
        found = type_of(value)
        if rule.types and not _is(found, value, rule.types):
            err.type_invalid(Path(path), found, f'{path} in body must be of type {",".join(rule.types)}: "{found}"')
        if value is None:
            return
        if rule.any_of or rule.one_of or rule.all_of or rule.none_of:
            self._combined(rule, value, path, err)
        if found == "string":
            _string(rule.schema, value, path, err)
        elif found in ("integer", "number"):
            _number(rule, value, path, err)
        elif found == "array":
            _array(rule.schema, value, path, err)
        elif found == "object":
            _object(rule, value, path, err)
        if rule.allowed and _encode(value) not in rule.allowed:
            shown = [each if isinstance(each, str) else _encode(each).decode() for each in rule.schema["enum"]]
            err.not_supported(Path(path), value, shown, as_given=True)

    def _combined(self, rule: Rule, value: Any, path: str, err: Errors) -> None:
        self._scratch = Errors()  # that of before is in use
        if rule.any_of:
            tried = self._tried(rule.any_of, value, path, until_one_fits=True)
            if all(tried):
                err.invalid(Path(), "", f'"{path}" must validate at least one schema (anyOf)')
                err.merge(tried[0])
        if rule.one_of:
            tried = self._tried(rule.one_of, value, path)
            fitting = sum(1 for each in tried if not each)
            if fitting != 1:
                how = f"Found {fitting} valid alternatives" if fitting else "Found none valid"
                err.invalid(Path(), "", f'"{path}" must validate one and only one schema (oneOf). {how}')
                if not fitting:
                    err.merge(tried[0])
        if rule.all_of:
            tried = self._tried(rule.all_of, value, path)
            for each in tried:
                err.merge(each)
            if any(tried):
                err.invalid(Path(), "", f'"{path}" must validate all the schemas (allOf)')
        if rule.none_of is not None and not self._tried((rule.none_of,), value, path)[0]:
            err.invalid(Path(), "", f'"{path}" must not validate the schema (not)')

    def _tried(self, rules: Iterable[Rule], value: Any, path: str, until_one_fits: bool = False) -> list[Errors]:
        tried = []
        for rule in rules:
            tried.append(Errors())
            self.walk(rule, value, ABSENT, path, tried[-1])
            if until_one_fits and not tried[-1]:
                break
        return tried


def _is(found: str, value: Any, wanted: tuple[str, ...]) -> bool:
    if found == "integer":
        return "integer" in wanted or "number" in wanted
    return found in wanted


def _string(schema: Object, value: str, path: str, err: Errors) -> None:
    longest, shortest = schema.get("maxLength"), schema.get("minLength")
    if longest is not None and len(value) > longest:
        err.too_long(Path(path), longest)
    if shortest is not None and len(value) < shortest:
        err.invalid(Path(path), value, f"{path} in body should be at least {shortest} chars long")
    if pattern := schema.get("pattern"):
        try:
            if not patterns.matches(pattern, value):
                err.invalid(Path(path), value, f"{path} in body should match '{pattern}'")
        except patterns.BadPattern as error:
            err.invalid(Path(path), value, f"{path} in body should match '{pattern}', which is no pattern: {error}")
    format_ = schema.get("format") or ""
    if format_ and schema.get("type") in (None, "string") and not formats.fits(format_, value):
        err.type_invalid(Path(path), value, f"{path} in body must be of type {format_}: {_encode(value).decode()}")


def _number(rule: Rule, value: float, path: str, err: Errors) -> None:
    schema, at = rule.schema, Path(path)
    if rule.types == ("integer",):
        sized = schema.get("format") or ""
        limit = _INTEGERS.get(sized, 1 << 63)
        if value != int(value) or not -limit <= value < limit:
            form = f"with format {sized}" if sized in _INTEGERS else "(default format)"
            err.invalid(Path(), "", f"Checked value must be of type integer {form} in {path}")
    factor, least, most = schema.get("multipleOf"), schema.get("minimum"), schema.get("maximum")
    if factor is not None and not _multiple(value, factor):
        err.invalid(at, value, f"{path} in body should be a multiple of {go_float(factor)}")
    if most is not None:
        below = schema.get("exclusiveMaximum")
        if value > most or (below and value == most):
            err.invalid(
                at, value, f"{path} in body should be less than {'' if below else 'or equal to '}{go_float(most)}"
            )
    if least is not None:
        above = schema.get("exclusiveMinimum")
        if value < least or (above and value == least):
            how = "" if above else "or equal to "
            err.invalid(at, value, f"{path} in body should be greater than {how}{go_float(least)}")


def _multiple(value: float, factor: float) -> bool:
    if not factor:
        return False
    if value == int(value) and factor == int(factor):
        return int(value) % int(factor) == 0
    try:
        ratio = value / factor
    except OverflowError:
        return False
    near = round(ratio) if math.isfinite(ratio) else 0
    return math.isfinite(ratio) and (ratio == near or abs(ratio - near) / (abs(ratio) + abs(near)) < 1e-9)


def go_float(value: float) -> str:
    """As Go prints a float64: `9`, `0.5`, `1e+06`."""
    sign, digits, exponent = Decimal(repr(float(value))).normalize().as_tuple()
    power = len(digits) - 1 + int(exponent)
    if -4 <= power < 6:
        return f"{value:.{max(0, -int(exponent))}f}"
    text = "".join(map(str, digits))
    point = f".{text[1:]}" if len(text) > 1 else ""
    return f"{'-' if sign else ''}{text[0]}{point}e{power:+03d}"


def _array(schema: Object, value: list[Any], path: str, err: Errors) -> None:
    least, most = schema.get("minItems"), schema.get("maxItems")
    if least is not None and len(value) < least:
        err.invalid(Path(path), len(value), f"{path} in body should have at least {least} items")
    if most is not None and len(value) > most:
        err.too_many(Path(path), len(value), most)


def _object(rule: Rule, value: Object, path: str, err: Errors) -> None:
    schema, at = rule.schema, Path(path) if path else Path()
    least, most = schema.get("minProperties"), schema.get("maxProperties")
    if least is not None and len(value) < least:
        err.invalid(at, len(value), f"{path} in body should have at least {least} properties")
    if most is not None and len(value) > most:
        err.too_many(at, len(value), most)
    for name in schema.get("required") or ():
        if name not in value:
            err.required(at.at(name))
    if rule.closed:
        for name in value:
            if name not in rule.properties:
                err.invalid(at.at(name), "", f"{path}.{name} in body is a forbidden property")


def _correlated(rule: Rule, value: list[Any], old: Any) -> list[Any]:
    """What each item was before: by its keys in a keyed list. Items of other lists are known by nothing, so only all
    together can be what they were."""
    if type(old) is not list:
        return []
    if rule.keyed != "map":
        return value if same(old, value) else []
    keys: list[str] = rule.schema.get(MAP_KEYS) or []
    before = {key_of(item, keys): item for item in old}
    return [before.get(key_of(item, keys), ABSENT) for item in value]


def key_of(item: Any, keys: list[str]) -> bytes:
    """An item's keys, to compare it by."""
    return _encode({key: item[key] for key in keys if key in item} if type(item) is dict else item)
