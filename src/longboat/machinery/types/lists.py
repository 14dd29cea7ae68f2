"""What a schema may say of how its lists and maps merge: x-kubernetes-list-type, -list-map-keys and -map-type."""

from __future__ import annotations

from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.types.structural import LIST_TYPE, MAP_KEYS, MAP_TYPE


def check_set(schema: Object, path: Path, err: Errors) -> None:
    """The items of a set are compared whole."""
    items = schema.get("items")
    if schema.get(LIST_TYPE) != "set" or not isinstance(items, dict):
        return
    says, kind = f"must be atomic as item of a list with {LIST_TYPE}=set", items.get("type")
    if kind == "object" and items.get(MAP_TYPE) != "atomic":
        err.invalid(path.at("items", MAP_TYPE), items.get(MAP_TYPE), says)
    if kind == "array" and items.get(LIST_TYPE) not in (None, "atomic"):
        err.invalid(path.at("items", LIST_TYPE), items[LIST_TYPE], says)


def check(schema: Object, path: Path, err: Errors) -> None:
    kind, list_type, map_type = schema.get("type") or "", schema.get(LIST_TYPE), schema.get(MAP_TYPE)
    for mark, given, wanted, known in (
        (MAP_TYPE, map_type, "object", ("atomic", "granular")),
        (LIST_TYPE, list_type, "array", ("atomic", "set", "map")),
    ):
        if given is None:
            continue
        if kind != wanted:
            says = f"must be {wanted} if {mark} is specified"
            if kind:
                err.invalid(path.at("type"), kind, says)
            else:
                err.required(path.at("type"), says)
        if given not in known:
            err.not_supported(path.at(mark), given, known, as_given=True)
    if schema.get(MAP_KEYS) and list_type != "map":
        says = f"must be map if {MAP_KEYS} is non-empty"
        if list_type is None:
            err.required(path.at(LIST_TYPE), says)
        else:
            err.invalid(path.at(LIST_TYPE), list_type, says)
    if list_type == "map":
        _keyed(schema, path, err)
    items = schema.get("items")
    if list_type in ("set", "map") and isinstance(items, dict):
        _keys_have_values(schema, items, path.at("items"), err)


def _keyed(schema: Object, path: Path, err: Errors) -> None:
    """A keyed list: its items are objects, its keys scalars of theirs."""
    keys, items = schema.get(MAP_KEYS) or [], schema.get("items")
    at, wanted = path.at(MAP_KEYS), "if parent array's x-kubernetes-list-type is map"
    if not keys:
        err.required(at, f"must not be empty if {LIST_TYPE} is map")
    if items is None:
        err.required(path.at("items"), f"must have a schema if {LIST_TYPE} is map")
    if not isinstance(items, dict):
        return
    kind, properties = items.get("type") or "", items.get("properties") or {}
    if not kind:
        err.required(path.at("items", "type"), f"must be object {wanted}")
    elif kind != "object":
        err.invalid(path.at("items", "type"), kind, f"must be object {wanted}")
    else:
        seen = set()
        for key in keys:
            if key not in properties:
                err.invalid(at, keys, "entries must all be names of item properties")
            elif properties[key].get("type") in ("array", "object"):
                here = path.at("items", "properties").key(key)
                err.invalid(here.at("type"), kind, f"must be a scalar type {wanted}")
            if key in seen:
                err.invalid(at, keys, "must not contain duplicate entries")
            seen.add(key)


def _keys_have_values(schema: Object, items: Object, path: Path, err: Errors) -> None:
    if items.get("nullable"):
        err.forbidden(path.at("nullable"), f"cannot be nullable when {LIST_TYPE} is {schema[LIST_TYPE]}")
    if schema[LIST_TYPE] != "map":
        return
    required, properties = frozenset(items.get("required") or ()), items.get("properties") or {}
    for key in schema.get(MAP_KEYS) or ():
        about, here = properties.get(key), path.at("properties").key(key)
        if about is None:
            continue
        says = f"this property is in {MAP_KEYS}, so it"
        if key not in required and about.get("default") is None:
            err.required(here.at("default"), f"{says} must have a default or be a required property")
        if about.get("nullable"):
            err.forbidden(here.at("nullable"), f"{says} cannot be nullable")
