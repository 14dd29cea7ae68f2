"""Structural schemas against an independent library: `jsonschema`, where both say something (draft 4 is OpenAPI's own).

Validation: a value is refused by both or by neither. Pruning and defaults: what the library's errors and its recipe for
defaults make of an object is what we make of it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors
from longboat.machinery.types import rules
from longboat.machinery.types.schema import load
from longboat.machinery.types.settle import settle
from longboat.machinery.types.structural import compile_shape

NAMES = st.sampled_from(["a", "b", "c", "dd"])
TEXTS = st.text("aé1-", max_size=4)
NUMBERS = st.integers(-4, 6) | st.sampled_from([0.5, 2.5, -1.25, 1e30])
SCALARS = st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)
SMALL, COUNTS = st.integers(0, 2), st.integers(0, 4)
LIMITS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "string": {
        "minLength": SMALL,
        "maxLength": SMALL,
        "pattern": st.sampled_from(["^a", "1$", "a.", "^[a-z]*$", "é|-"]),
    },
    "integer": {"minimum": st.integers(-3, 3), "maximum": st.integers(-3, 5), "multipleOf": st.sampled_from([1, 2, 3])},
    "number": {"minimum": st.integers(-3, 3), "maximum": st.integers(-3, 5), "multipleOf": st.sampled_from([0.5, 1])},
    "boolean": {},
    "array": {"minItems": SMALL, "maxItems": SMALL},
    "object": {"minProperties": SMALL, "maxProperties": SMALL},
}


@st.composite
def schemas(draw: st.DrawFn, depth: int = 2, nullable: bool = True) -> dict[str, Any]:
    kind = draw(st.sampled_from(["object", "array", *LIMITS] if depth else ["string", "integer", "number", "boolean"]))
    schema: dict[str, Any] = {"type": kind} | limits(draw, kind)
    if kind == "array":
        schema["items"] = draw(schemas(depth - 1))
    elif kind == "object":
        if draw(st.booleans()):
            schema["properties"] = draw(st.dictionaries(NAMES, schemas(depth - 1), max_size=3))
            schema["required"] = draw(st.lists(NAMES, min_size=1, max_size=2, unique=True))
        else:
            schema["additionalProperties"] = draw(schemas(depth - 1))
    for word in draw(
        st.sets(st.sampled_from(["allOf", "anyOf", "oneOf", "not"]), min_size=draw(st.integers(0, 1)), max_size=1)
    ):
        inner = [limits(draw, kind) for _ in range(2)]
        schema[word] = inner[0] if word == "not" else inner
    if draw(st.integers(0, 4)) == 0:
        schema["enum"] = draw(st.lists(VALUES, min_size=1, max_size=3))
    if nullable and draw(st.integers(0, 4)) == 0:
        schema["nullable"] = True
    return schema


def limits(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    known = LIMITS[kind]
    chosen = draw(st.sets(st.sampled_from([*known]), min_size=1, max_size=2)) if known else ()
    found = {name: draw(known[name]) for name in sorted(chosen)}
    for name, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if bound in found and draw(st.booleans()):
            found[name] = True
    return found


@st.composite
def fitting(draw: st.DrawFn, schema: dict[str, Any]) -> Any:
    """A value that is likely to be of a schema; now and then something else."""
    chance = draw(st.integers(0, 11))
    if chance == 0:
        return draw(VALUES)
    if chance == 1 and schema.get("nullable"):
        return None
    if chance < 4 and schema.get("enum"):
        return copy.deepcopy(draw(st.sampled_from(schema["enum"])))
    match schema["type"]:
        case "string":
            return draw(TEXTS)
        case "integer":
            return draw(st.integers(-4, 6))
        case "number":
            return draw(NUMBERS)
        case "boolean":
            return draw(st.booleans())
        case "array":
            return [draw(fitting(schema["items"])) for _ in range(draw(COUNTS))]
    properties, values = schema.get("properties") or {}, schema.get("additionalProperties")
    found = {name: draw(fitting(inner)) for name, inner in properties.items() if draw(st.integers(0, 3))}
    for name in draw(st.lists(NAMES, max_size=2)):
        found.setdefault(name, draw(VALUES if values is None else fitting(values)))
    return found


def translated(schema: dict[str, Any]) -> dict[str, Any]:
    """The same as draft 4 says it."""
    found = {key: value for key, value in schema.items() if key != "nullable"}
    if "properties" in found:
        found["properties"] = {name: translated(inner) for name, inner in found["properties"].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(found.get(name), dict):
            found[name] = translated(found[name])
    if not found.get("required"):
        found.pop("required", None)
    return {"anyOf": [{"enum": [None]}, found]} if schema.get("nullable") else found


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, Any], Any]:
    schema = draw(schemas())
    return schema, draw(fitting(schema))


@settings(max_examples=max(150, settings().max_examples))
@given(cases())
def test_a_value_is_refused_by_both_or_by_neither(case: tuple[dict[str, Any], Any]) -> None:
    schema, value = case
    err = Errors()
    rules.check(rules.compile_rule({"type": "object", "properties": {"f": schema}}), {"f": value}, err)
    theirs = jsonschema.Draft4Validator(translated(schema)).is_valid(value)
    assert (not err) is theirs, (schema, value, [str(each) for each in err])


META = load().type(kinds.POD)


def settled(schema: dict[str, Any], value: Any, *, defaults: bool) -> Any:
    assert META is not None
    shape = compile_shape("t", {"type": "object", "properties": {"f": schema}}, META.fields["metadata"])  # type: ignore[arg-type]
    return settle(shape, {"f": value}, defaults=defaults)[0]["f"]


@st.composite
def plain(draw: st.DrawFn, depth: int = 3) -> dict[str, Any]:
    """Schemas of which types, fields and defaults are all there is."""
    kind = draw(st.sampled_from(["object", "object", "array", "string", "integer"] if depth else ["string", "integer"]))
    schema: dict[str, Any] = {"type": kind}
    if kind == "object":
        schema["properties"] = draw(st.dictionaries(NAMES, plain(depth - 1), max_size=3))
    elif kind == "array":
        schema["items"] = draw(plain(depth - 1))
    elif draw(st.integers(0, 2)) == 0:
        schema["default"] = draw(TEXTS if kind == "string" else st.integers(0, 9))
    return schema


@st.composite
def typed(draw: st.DrawFn, schema: dict[str, Any], extra: bool) -> Any:
    match schema["type"]:
        case "string":
            return draw(TEXTS)
        case "integer":
            return draw(st.integers(-4, 6))
        case "array":
            return [draw(typed(schema["items"], extra)) for _ in range(draw(COUNTS))]
    found = {name: draw(typed(inner, extra)) for name, inner in schema["properties"].items() if draw(st.booleans())}
    for name in draw(st.lists(NAMES, max_size=2)) if extra else ():
        if name not in schema["properties"]:
            found[name] = draw(VALUES)
    return found


@st.composite
def objects(draw: st.DrawFn, extra: bool) -> tuple[dict[str, Any], Any]:
    schema = {"type": "object", "properties": draw(st.dictionaries(NAMES, plain(), min_size=1, max_size=3))}
    return schema, draw(typed(schema, extra))


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    found = dict(schema)
    if found["type"] == "object":
        found["properties"] = {name: closed(inner) for name, inner in found["properties"].items()}
        found["additionalProperties"] = False
    elif found["type"] == "array":
        found["items"] = closed(found["items"])
    return found


@given(objects(extra=True))
def test_what_is_pruned_is_what_a_closed_schema_complains_of(case: tuple[dict[str, Any], Any]) -> None:
    schema, value = case
    wanted = copy.deepcopy(value)
    for error in list(jsonschema.Draft4Validator(closed(schema)).iter_errors(wanted)):
        assert error.validator == "additionalProperties"
        for name in set(error.instance) - set(error.schema["properties"]):
            del error.instance[name]
    assert settled(schema, value, defaults=False) == wanted
    assert settled(schema, wanted, defaults=False) == wanted


def _with_defaults(validator: Any, properties: Any, instance: Any, schema: Any) -> Iterator[Any]:
    for name, inner in properties.items():
        if "default" in inner:
            instance.setdefault(name, copy.deepcopy(inner["default"]))
    yield from jsonschema.Draft4Validator.VALIDATORS["properties"](validator, properties, instance, schema)


FILLING = jsonschema.validators.extend(jsonschema.Draft4Validator, {"properties": _with_defaults})


@given(objects(extra=False))
def test_defaults_are_put_in_as_the_library_puts_them_in(case: tuple[dict[str, Any], Any]) -> None:
    schema, value = case
    wanted = copy.deepcopy(value)
    assert FILLING(schema).is_valid(wanted)
    assert settled(schema, value, defaults=True) == wanted
    assert settled(schema, wanted, defaults=True) == wanted
