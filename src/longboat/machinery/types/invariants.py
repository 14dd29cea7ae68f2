"""What holds beyond a schema's rules: sets and keyed lists have no item twice, embedded resources say what they are."""

from __future__ import annotations

from typing import Any

import msgspec

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.types.rules import Rule, key_of
from longboat.machinery.types.structural import MAP_KEYS

_decode = msgspec.json.Decoder().decode


def lists(rule: Rule, value: Any, path: Path, err: Errors) -> None:
    """Complain of each item that was there before (x-kubernetes-list-type set and map)."""
    if not rule.deep:
        return
    if type(value) is dict:
        for name, member in value.items():
            if (inner := rule.properties.get(name)) is not None:
                lists(inner, member, path.at(name), err)
            elif rule.additional is not None:
                lists(rule.additional, member, path.key(name), err)
    elif type(value) is list:
        if rule.keyed:
            _unique(rule, value, path, err)
        if rule.items is not None and rule.items.deep:
            for i, member in enumerate(value):
                lists(rule.items, member, path.index(i), err)


def _unique(rule: Rule, value: list[Any], path: Path, err: Errors) -> None:
    keys: list[str] = (rule.schema.get(MAP_KEYS) or []) if rule.keyed == "map" else []
    seen = set()
    for i, item in enumerate(value):
        if keys and type(item) is not dict:
            continue  # its type is wrong, and has been complained of
        key = key_of(item, keys) if keys else key_of([item], [])
        if key in seen:
            err.duplicate(path.index(i), _decode(key) if keys else item)
        seen.add(key)


def embedded(rule: Rule, value: Any, path: Path, err: Errors, *, root: bool = True) -> None:
    """Complain of embedded resources that do not say their apiVersion and kind, or are not named as they should."""
    if not rule.deep:
        return
    if type(value) is dict:
        if rule.resource and not root:
            _resource(value, path, err)
        for name, member in value.items():
            inner = rule.properties.get(name)
            if inner is not None or rule.additional is not None:
                here = path.at(name) if inner is not None else path.key(name)
                embedded(inner or rule.additional, member, here, err, root=False)  # type: ignore[arg-type]
    elif type(value) is list and rule.items is not None:
        for i, member in enumerate(value):
            embedded(rule.items, member, path.index(i), err, root=False)


def _resource(value: Object, path: Path, err: Errors) -> None:
    for name in ("apiVersion", "kind"):
        if name not in value:
            err.required(path.at(name), "must not be empty")
        elif type(value[name]) is not str:
            err.invalid(path.at(name), value[name], "must be a string")
    version, kind, meta = value.get("apiVersion"), value.get("kind"), value.get("metadata")
    if type(version) is str and version.count("/") > 1:
        err.invalid(path.at("apiVersion"), version, f"unexpected GroupVersion string: {version}")
    if type(kind) is str and (wrong := names.dns1035_label(kind.lower())):
        says = f"may have mixed case, but should otherwise match: {','.join(wrong)}"
        err.invalid(path.at("kind"), kind, says)
    if type(meta) is dict and (given := meta.get("name")):
        err.extend(path.at("metadata", "name"), names.path_segment(given), given)
