"""Whether a schema's defaults are what the schema itself allows. Linear in the schema and its defaults.

Of a schema that is structural; `structure.check` asks it only then.
"""

from __future__ import annotations

from typing import Any

from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.types import enforced, expressions, invariants, rules
from longboat.machinery.types.structural import EMBEDDED, INT_OR_STRING, PRESERVE

HEAD = frozenset(("apiVersion", "kind", "metadata"))


def check(schema: Object, path: Path, err: Errors) -> None:
    """Complain of defaults that would be pruned, or refused: by the schema, or by rules in CEL, which are run as if
    they had been there before. Those of identity and metadata are passed over."""
    _check(schema, path, err, _Budget(), True)


class _Budget:
    """Of all rules; it is made by the first default that has any."""

    def __init__(self) -> None:
        self._made: enforced.Budget | None = None

    def get(self) -> enforced.Budget:
        if self._made is None:
            self._made = enforced.Budget()
        return self._made


def _check(schema: Object, path: Path, err: Errors, budget: _Budget, root: bool) -> None:
    default = schema.get("default")
    if default is not None:
        here, rule = path.at("default"), rules.compile_rule(_loosened(schema))
        if not _known(schema, default, bool(schema.get(EMBEDDED))):
            err.invalid(here, default, "must not have unknown fields")
        unnamed = Errors()
        invariants.embedded(rule, default, here, unnamed, root=False)
        err.merge(unnamed)
        if not unnamed:
            wrong = Errors()
            rules.check(rule, default, wrong)
            if not wrong and expressions.any_in(schema):
                place = enforced.places(schema, bool(schema.get(EMBEDDED)))
                if place is not None and enforced.runnable(place):  # what cannot be run is told elsewhere
                    enforced.check_default(place, default, wrong, budget.get())
            err.merge(wrong, beneath=here)
    if isinstance(schema.get("items"), dict):
        _check(schema["items"], path.at("items"), err, budget, False)
    resource = root or bool(schema.get(EMBEDDED))
    for name, inner in sorted((schema.get("properties") or {}).items()):
        if not (resource and name in HEAD):
            _check(inner, path.at("properties").key(name), err, budget, False)


def _loosened(schema: Object) -> Object:
    """As upstream has it here: a default of a number or name may be of any type."""
    return (
        {key: value for key, value in schema.items() if key not in ("type", INT_OR_STRING)}
        if (schema.get(INT_OR_STRING))
        else schema
    )


def _known(schema: Any, value: Any, resource: bool) -> bool:
    """Whether pruning would leave the value as it is."""
    if not isinstance(schema, dict):
        return value is None or not isinstance(value, (dict, list)) or value in ({}, [])
    if type(value) is list:
        items = schema.get("items")
        return all(_known(items, member, False) for member in value) or bool(schema.get(PRESERVE) and not items)
    if type(value) is not dict:
        return True
    properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
    for name, member in value.items():
        if resource and name in HEAD:
            continue
        inner = properties.get(name, additional)
        if inner is None and not schema.get(PRESERVE):
            return False
        if inner is not None and not _known(inner, member, isinstance(inner, dict) and bool(inner.get(EMBEDDED))):
            return False
    return True
