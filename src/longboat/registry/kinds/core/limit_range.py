"""LimitRange: what containers of a namespace may ask for, and what they get when they do not ask."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.registry.kinds import cells, fill, rules
from longboat.registry.kinds.core import resources
from longboat.registry.strategy import Strategy

_LIMITS = Path("spec", "limits")
ORDER = (("min", "max"), ("min", "defaultRequest"), ("min", "default"), ("defaultRequest", "max"), ("default", "max"),
         ("defaultRequest", "default"))  # fmt: skip
NAMES = {"defaultRequest": "default request", "default": "default"}


class LimitRange(Strategy):
    kind = kinds.LIMIT_RANGE
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
        for i in rules.repeated(item.get("type") for item in items):
            err.duplicate(_LIMITS.index(i).at("type"), items[i].get("type"))


def _default(item: Object) -> None:
    """A default limit is the maximum; a default request is the default limit, else the minimum."""
    limit = {**(item.get("max") or {}), **(item.get("default") or {})}
    request = {**(item.get("min") or {}), **limit, **(item.get("defaultRequest") or {})}
    for field, value in (("default", limit), ("defaultRequest", request)):
        if value:
            item[field] = value


def _item(item: Object, path: Path, err: Errors) -> None:
    kind = item.get("type") or ""
    if not kind:
        err.required(path.at("type"))
    for field in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
        for resource, text in (item.get(field) or {}).items():
            resources.name(resource, path.at(field).key(resource), err)
            resources.value(resource, text, path.at(field).key(resource), err)
    if kind == "Pod":
        for field in ("default", "defaultRequest"):
            if item.get(field):
                err.forbidden(path.at(field), "may not be specified when `type` is 'Pod'")
    if kind == "PersistentVolumeClaim" and not any("storage" in (item.get(f) or {}) for f in ("min", "max")):
        err.required(path, "either minimum or maximum storage value is required, but neither was provided")
    quiet = Errors()
    for lower, upper in ORDER:
        for resource, text in (item.get(lower) or {}).items():
            other = (item.get(upper) or {}).get(resource)
            if other is not None and rules.amount(text, path, quiet) > rules.amount(other, path, quiet):
                names = [NAMES.get(field, field) for field in (lower, upper)]
                why = f"{names[0]} value {text} is greater than {names[1]} value {other}"
                err.invalid(path.at(lower).key(resource), text, why)
    for resource, text in (item.get("maxLimitRequestRatio") or {}).items():
        if rules.amount(text, path, quiet).amount < 1:
            err.invalid(path.at("maxLimitRequestRatio").key(resource), text, f"ratio {text} is less than 1")
