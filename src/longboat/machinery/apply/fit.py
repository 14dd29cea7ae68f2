"""Whether an applied configuration fits its type, in upstream's words (structured-merge-diff, typed/validate.go)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from longboat.machinery.apply import fieldset
from longboat.machinery.apply.elements import NoElement, element
from longboat.machinery.apply.fieldset import Path
from longboat.machinery.apply.grain import ANYTHING, FREE, LIST, MAP, Grain
from longboat.machinery.patch.strategic import shown

MOST = 100  # misfits that are told of


class Misfit(ValueError):
    """Says all that does not fit."""


def check(grain: Grain, value: dict[str, Any]) -> None:
    """Raises Misfit."""
    found = []
    for path, why in _problems(grain, value, ()):
        found.append(f"{fieldset.shown(path)}: {why}")
        if len(found) == MOST:
            break
    if found:
        raise Misfit(found[0] if len(found) == 1 else "\n".join(["errors:", *(f"  {each}" for each in found)]))


def _problems(grain: Grain, value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if value is None or grain.form is FREE or grain is ANYTHING:
        return
    if grain.form is MAP:
        if not isinstance(value, dict):
            yield path, f"expected map, got &{{{shown(value)}}}"
            return
        for name, inner in value.items():
            known, here = grain.fields.get(name) or grain.value, (*path, f"f:{name}")
            if known is None:
                yield here, "field not declared in schema"
            else:
                yield from _problems(known, inner, here)
    elif grain.form is LIST:
        if not isinstance(value, list):
            yield path, f"expected list, got &{{{shown(value)}}}"
            return
        yield from _items(grain, value, path)
    elif why := _misfit(grain.says, value):
        yield path, why


def _items(grain: Grain, items: list[Any], path: Path) -> Iterator[tuple[Path, str]]:
    item, seen = grain.item or ANYTHING, set()
    for i, inner in enumerate(items):
        key = f"i:{i}"
        if grain.relation and not grain.atomic:
            try:
                key = element(grain, inner)
            except NoElement as error:
                yield path, f"element {i}: {error}"
                continue
            if key in seen:
                yield path, f"duplicate entries for key {fieldset.shown((key,))}"
            seen.add(key)
        yield from _problems(item, inner, (*path, key))


_KINDS = {
    str: "string",
    bool: "bool",
    int: "int64",
    float: "float64",
    list: "[]interface {}",
    dict: "map[string]interface {}",
}


def _misfit(says: str, value: Any) -> str:
    kind = type(value)
    if says == "numeric" and kind not in (int, float):
        return f"expected numeric (int or float), got {_KINDS[kind]}"
    if says == "string" and kind is not str:
        return f"expected string, got &value.valueUnstructured{{Value:{_literal(value)}}}"
    if says == "boolean" and kind is not bool:
        return f"expected boolean, got &{{{shown(value)}}}"
    if not says and kind in (dict, list):
        return f"expected any scalar, got &{{{shown(value)}}}"
    return ""


def _literal(value: Any) -> str:
    """As Go's %#v prints it."""
    if isinstance(value, dict):
        inner = ", ".join(f"{_literal(name)}:{_literal(value[name])}" for name in sorted(value))
        return f"map[string]interface {{}}{{{inner}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(_literal, value))}}}"
    if value is None:
        return "interface {}(nil)"
    return msgspec.json.encode(value).decode()
