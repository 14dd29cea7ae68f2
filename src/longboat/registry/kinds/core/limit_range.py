"""LimitRange: what containers of a namespace may ask for, and what they get when they do not ask."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.quantity import Quantity
from longboat.registry.kinds import cells, fill, rules
from longboat.registry.kinds.core import resources
from longboat.registry.strategy import OBJECT, WHOLE_METADATA, Strategy

_LIMITS = Path("spec", "limits")
TYPES = ("Container", "PersistentVolumeClaim", "Pod")
MAX_MILLI = ((1 << 63) - 1) // 1000  # units whose thousandths can be counted
# What may not be greater than what: lower, upper, where it is said, which value is shown, and their names.
ORDER = (
    ("min", "max", "min", "min", "min value", "max value"),
    ("min", "defaultRequest", "defaultRequest", "defaultRequest", "min value", "default request value"),
    ("defaultRequest", "max", "defaultRequest", "defaultRequest", "default request value", "max value"),
    ("defaultRequest", "default", "defaultRequest", "defaultRequest", "default request value", "default limit value"),
    ("min", "default", "default", "min", "min value", "default value"),
    ("default", "max", "default", "max", "default value", "max value"),
)


class LimitRange(Strategy):
    kind = kinds.LIMIT_RANGE
    update_order = (*WHOLE_METADATA, OBJECT)
    columns = (cells.CREATED_AT,)
    generation = False
    create_on_update = True

    def default(self, obj: Object) -> None:
        for item in fill.each(obj.get("spec") or {}, "limits"):
            if item.get("type") == "Container":
                _default(item)

    def validate(self, new: Object, err: Errors) -> None:
        items = dig(new, "spec", "limits", default=[])
        for i, item in enumerate(items):
            _item(item, _LIMITS.index(i), err)
        for i in rules.repeated(item.get("type") or "" for item in items):
            err.duplicate(_LIMITS.index(i).at("type"), items[i].get("type") or "")


def _default(item: Object) -> None:
    """A default limit is the maximum; a default request is the default limit, else the minimum."""
    limit = {**(item.get("max") or {}), **(item.get("default") or {})}
    request = {**(item.get("min") or {}), **limit, **(item.get("defaultRequest") or {})}
    for field, value in (("default", limit), ("defaultRequest", request)):
        if value:
            item[field] = value


def _item(item: Object, path: Path, err: Errors) -> None:
    kind = item.get("type") or ""
    if wrong := names.qualified_name(kind):
        err.extend(path.at("type"), wrong, kind)
    elif "/" not in kind and kind not in TYPES:
        err.invalid(path.at("type"), kind, "must be a standard limit type or fully qualified")
    check = resources.container_name if kind in ("Container", "Pod") else resources.name
    for field in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
        if kind == "Pod" and field.startswith("default"):
            if item.get(field):
                err.forbidden(path.at(field), "may not be specified when `type` is 'Pod'")
            continue
        for resource in item.get(field) or ():
            check(resource, path.at(field).key(resource), err)
    if kind == "PersistentVolumeClaim" and not any("storage" in (item.get(f) or {}) for f in ("min", "max")):
        why = "either minimum or maximum storage value is required, but neither was provided"
        err.required(path.at("limits"), why)
    _check_order(item, path, err)


def _check_order(item: Object, path: Path, err: Errors) -> None:
    found = {
        field: {name: rules.amount(text, path, Errors()) for name, text in (item.get(field) or {}).items()}
        for field in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
    }
    if item.get("type") == "Pod":  # its defaults have been refused
        found |= {"default": {}, "defaultRequest": {}}
    for name in sorted(set().union(*found.values())):
        amounts = {field: values[name] for field, values in found.items() if name in values}
        for lower, upper, place, shown, less, more in ORDER:
            if lower in amounts and upper in amounts and amounts[lower] > amounts[upper]:
                why = f"{less} {amounts[lower]} is greater than {more} {amounts[upper]}"
                err.invalid(path.at(place).key(name), str(amounts[shown]), why)
        _check_ratio(amounts, path.at("maxLimitRequestRatio").key(name), err)
        limit, request = amounts.get("default"), amounts.get("defaultRequest")
        if limit is not None and request is not None and limit != request and not resources.may_overcommit(name):
            why = f"default value {limit} must equal to defaultRequest value {request} in {name}"
            err.invalid(path.at("defaultRequest").key(name), str(request), why)


def _check_ratio(amounts: dict[str, Quantity], path: Path, err: Errors) -> None:
    """How many times its request a limit may be: not more than the bounds allow at all."""
    ratio, low, high = (amounts.get(field) for field in ("maxLimitRequestRatio", "min", "max"))
    if ratio is None:
        return
    if ratio.amount < 1:
        err.invalid(path, str(ratio), f"ratio {ratio} is less than 1")
    if low is None or high is None or not low:
        return
    fine = all(each.value < MAX_MILLI for each in (ratio, low, high))
    most = high.milli / low.milli if fine else high.value / low.value
    if (ratio.milli / 1000 if fine else ratio.value) > most:
        err.invalid(path, str(ratio), f"ratio {ratio} is greater than max/min = {most:.6f}")
