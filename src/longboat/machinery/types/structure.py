"""Whether a schema is one that a custom kind may have: structural, and of what is served (CustomResourceDefinition v1).

`check` is linear in the schema. Its order is upstream's: what is not structural, sorted (nobody asks where something
in it is not served at all); then each schema's own faults.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.types import defaults, expressions, formats, lists, patterns
from longboat.machinery.types.published import NUMBER_OR_NAME
from longboat.machinery.types.structural import (
    DEEPEST,
    EMBEDDED,
    INT_OR_STRING,
    LIST_TYPE,
    MAP_KEYS,
    MAP_TYPE,
    PRESERVE,
)

TYPES = ("array", "boolean", "integer", "number", "object", "string")
_UNSERVED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
_LEVELS = {"root": "at the root", "items": "for specified array items", "field": "for specified object fields"}
# What only the outer schema may say, and not what it combines with anyOf, allOf, oneOf and not.
_OUTER = {
    "type": "empty", "additionalProperties": "undefined", "default": "undefined", "title": "empty",
    "description": "empty", "nullable": "false", PRESERVE: "false", EMBEDDED: "false", INT_OR_STRING: "false",
    "x-kubernetes-validations": "empty", MAP_KEYS: "empty", LIST_TYPE: "undefined", MAP_TYPE: "undefined",
}  # fmt: skip
_COMBINED = re.compile(r"\.(?:(?:allOf|oneOf|anyOf)\[\d+\]|not)(?=\.|$)")


def check(schema: Object, path: Path, err: Errors) -> None:
    """Complain of a version's openAPIV3Schema."""
    if not _shallow(schema):
        err.invalid_whole(path, f"must not have more than {DEEPEST} schemas within each other")
        return
    if schema.get("nullable"):
        err.forbidden(path.at("nullable"), "nullable cannot be true at the root")
    unfit = Errors()
    if all(each.get(name) in (None, "") for each, _ in _all(schema, path) for name in _UNSERVED):
        _outer(schema, path, "root", unfit)
        unfit.causes.sort(key=str)
        if not unfit:
            defaults.check(schema, path, unfit)
        err.merge(unfit)
    wrong = err.count
    _each(schema, path, err)
    expressions.check(schema, path, err, runs=not unfit and err.count == wrong)


def warnings(schema: Object) -> list[str]:
    """Formats that nobody checks."""
    found: dict[str, None] = {}
    for each, _ in _all(schema, Path()):
        form = each.get("format") or ""
        if form and not formats.known(form, each.get("type") or ""):
            found[f'unrecognized format "{form}"'] = None
    return list(found)


def has_defaults(schema: Object | None) -> bool:
    return any("default" in each for each, _ in _all(schema or {}, Path()))


def _parts(schema: Object, path: Path) -> Iterator[tuple[Object, Path]]:
    """The schemas directly in a schema."""
    for name in ("additionalProperties", "items", "not"):
        if isinstance(schema.get(name), dict):
            yield schema[name], path.at(name)
    for name in ("properties", "definitions", "dependencies", "patternProperties"):
        for key, inner in sorted((schema.get(name) or {}).items()):
            if isinstance(inner, dict):
                yield inner, path.at(name).key(key)
    for name in ("allOf", "oneOf", "anyOf"):
        for i, inner in enumerate(schema.get(name) or ()):
            if isinstance(inner, dict):
                yield inner, path.at(name).index(i)


def _all(schema: Object, path: Path) -> Iterator[tuple[Object, Path]]:
    left = [(schema, path)]
    while left:
        each, here = left.pop()
        yield each, here
        left += reversed(list(_parts(each, here)))


def _shallow(schema: Object) -> bool:
    level, depth = [schema], 0
    while level and depth <= DEEPEST:
        level, depth = [inner for each in level for inner, _ in _parts(each, Path())], depth + 1
    return not level


def _outer(schema: Object, path: Path, level: str, err: Errors) -> None:
    """A schema that declares what is there."""
    kind, properties = schema.get("type") or "", schema.get("properties") or {}
    embedded, preserves = schema.get(EMBEDDED), schema.get(PRESERVE)
    if kind == "array" and schema.get("items") is None:
        err.required(path.at("items"), "must be specified")
    if embedded and kind != "object":
        _must(kind, "object", path, f"if {EMBEDDED} is true", err)
    elif not kind and not schema.get(INT_OR_STRING) and not preserves:
        err.required(path.at("type"), f"must not be empty {_LEVELS[level]}")
    if level == "root" and kind and kind != "object":
        err.invalid(path.at("type"), kind, "must be object at the root")
    if embedded and schema.get("additionalProperties") is not None:
        err.forbidden(path.at("additionalProperties"), f"must not be used if {EMBEDDED} is set")
    if embedded and not preserves and not properties:
        err.required(path.at("properties"), f"must not be empty if {EMBEDDED} is true without {PRESERVE}")
    if embedded or level == "root":
        _identity(properties, path.at("properties"), level == "root", err)
    lists.check_set(schema, path, err)
    for inner, here in _combined(schema, path):
        _nested(inner, here, schema, err)
    for name, inner in properties.items():
        _outer(inner, path.at("properties").key(name), "field", err)
    for name, where in (("items", "items"), ("additionalProperties", "field")):
        if isinstance(schema.get(name), dict):
            _outer(schema[name], path.at(name), where, err)


def _must(kind: str, wanted: str, path: Path, why: str, err: Errors) -> None:
    if kind:
        err.invalid(path.at("type"), kind, f"must be {wanted} {why}")
    else:
        err.required(path.at("type"), f"must be {wanted} {why}")


def _identity(properties: dict[str, Object], path: Path, root: bool, err: Errors) -> None:
    """What a resource's schema may say of its apiVersion, kind and metadata."""
    for name, wanted in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        if name in properties and properties[name].get("type") != wanted:
            err.invalid(path.key(name).at("type"), properties[name].get("type") or "", f"must be {wanted}")
    metadata = properties.get("metadata")
    if root and metadata is not None:
        named = set(metadata.get("properties") or {}) - {"name", "generateName"}
        if named or set(metadata) - {"type", "properties", "default"}:
            says = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            err.forbidden(path.key("metadata"), says)


def _combined(schema: Object, path: Path) -> Iterator[tuple[Object, Path]]:
    """The schemas that a schema combines. A number or name may say in these that it is one."""
    for name in ("allOf", "oneOf", "anyOf"):
        given = schema.get(name) or ()
        if name == "anyOf" and given == NUMBER_OR_NAME:
            continue
        for i, inner in enumerate(given):
            if name == "allOf" and i == 0 and inner.get("anyOf") == NUMBER_OR_NAME:
                inner = {key: value for key, value in inner.items() if key != "anyOf"}
            yield inner, path.at(name).index(i)
    if isinstance(schema.get("not"), dict):
        yield schema["not"], path.at("not")


def _nested(schema: Object, path: Path, declared: Any, err: Errors) -> None:
    """A schema that only judges: what it speaks of has to be declared outside."""
    for name, wanted in _OUTER.items():
        if schema.get(name) not in (None, "", False, []) or (name == "default" and "default" in schema):
            err.forbidden(path.at(name), f"must be {wanted} to be structural")
    known = (declared.get("properties") or {}) if isinstance(declared, dict) else {}
    for name, inner in (schema.get("properties") or {}).items():
        here = path.at("properties").key(name)
        if name == "metadata":
            err.forbidden(here, "must not be specified in a nested context")
        _undeclared(known.get(name), here, err)
        _nested(inner, here, known.get(name) or {}, err)
    if isinstance(schema.get("items"), dict):
        items = declared.get("items") if isinstance(declared, dict) else None
        _undeclared(items, path.at("items"), err)
        _nested(schema["items"], path.at("items"), items or {}, err)
    for inner, here in _combined(schema, path):
        _nested(inner, here, declared, err)


def _undeclared(declared: Any, path: Path, err: Errors) -> None:
    if declared is None:
        place = _COMBINED.sub("", str(path))
        err.required(Path(place), f"because it is defined in {path}")


def _each(schema: Object, path: Path, err: Errors) -> None:
    """The faults of single schemas, wherever they are."""
    for each, here in _all(schema, path):
        kind = each.get("type") or ""
        if kind and kind not in TYPES:
            err.not_supported(here.at("type"), kind, TYPES)
        for name in _UNSERVED:
            if each.get(name) not in (None, ""):
                err.forbidden(here.at(name), f"{name} is not supported")
        if kind == "null":
            err.forbidden(here.at("type"), "type cannot be set to null, use nullable as an alternative")
        if isinstance(each.get("items"), list):
            err.forbidden(here.at("items"), "items must be a schema object and not an array")
        if each.get("uniqueItems"):
            says = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
            err.forbidden(here.at("uniqueItems"), says)
        if each.get("properties") and each.get("additionalProperties") not in (None, True):
            err.forbidden(here.at("additionalProperties"), "additionalProperties and properties are mutual exclusive")
        if each.get(PRESERVE) is False:
            err.invalid(here.at(PRESERVE), False, "must be true or undefined")
        if pattern := each.get("pattern"):
            try:
                patterns.check(pattern)
            except patterns.BadPattern as error:
                says = f"must be a valid regular expression, but isn't: {error}"
                err.invalid(here.at("pattern"), pattern, says)
        lists.check(each, here, err)
