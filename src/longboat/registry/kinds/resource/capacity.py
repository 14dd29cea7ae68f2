"""How much of a device's capacity one claim may take (KEP-5075)."""

from __future__ import annotations

from itertools import pairwise

from longboat.machinery import quantity
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.quantity import Quantity
from longboat.registry.kinds import rules

MOST_VALUES = 10


def whole(found: Object, path: Path, err: Errors) -> None:
    """Of a device that only one claim may have."""
    if found.get("requestPolicy") is not None:
        err.forbidden(path.at("requestPolicy"), "allowMultipleAllocations must be true")


def shared(found: Object, path: Path, err: Errors) -> None:
    """Of a device that several may share."""
    if (policy := found.get("requestPolicy")) is None:
        return
    most, path = _read(found.get("value")), path.at("requestPolicy")
    values, span, default = policy.get("validValues") or [], policy.get("validRange"), policy.get("default")
    if values and span is not None:
        why = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'
        err.forbidden(path, why)
        return
    for field, given in (("validValues", values or None), ("validRange", span)):
        if given is not None and default is None:
            err.required(path.at("default"), f"required when {field} is defined")
    if values and default is not None:
        _values([_read(value) for value in values], _read(default), most, path.at("validValues"), err)
    elif span is not None and default is not None:
        _span(span, _read(default), most, path.at("validRange"), err)


def _read(text: str | None) -> Quantity:
    return quantity.parse(text or "0")


def _values(values: list[Quantity], default: Quantity, most: Quantity, path: Path, err: Errors) -> None:
    for i, (value, following) in enumerate(pairwise(values), 1):
        if value > following:
            err.invalid(path.index(i), str(following), "values must be sorted in ascending order")
    known = False
    if len(values) > MOST_VALUES:
        err.too_many(path, len(values), MOST_VALUES)
    else:
        for i, value in enumerate(values):
            if value > most:
                err.invalid(path.index(i), str(value), f"option is larger than capacity value: {most}")
        for i in rules.repeated(value.value for value in values):
            err.duplicate(path.index(i), str(values[i].value))
        known = default in values
    if not known:
        err.invalid(path, str(default), "default value is not valid according to the requestPolicy")


def _span(span: Object, default: Quantity, most: Quantity, path: Path, err: Errors) -> None:
    if span.get("min") is None:
        err.required(path.at("min"), "required when validRange is defined")
        return
    low = _read(span["min"])
    if low > most:
        err.invalid(path.at("min"), str(low), f"min is larger than capacity value: {most}")
    if default < low:
        err.invalid(path.at("min"), str(default), f"default is less than min: {low}")
    high = None if span.get("max") is None else _read(span["max"])
    if high is not None:
        if low > high:
            err.invalid(path.at("max"), str(low), f"min is larger than max: {high}")
        if high > most:
            err.invalid(path.at("max"), str(high), f"max is larger than capacity value: {most}")
        if default > high:
            err.invalid(path.at("max"), str(default), f"default is more than max: {high}")
    if span.get("step") is not None:
        _step(_read(span["step"]), low, [default] if high is None else [default, high], most, path.at("step"), err)


def _step(step: Quantity, low: Quantity, values: list[Quantity], most: Quantity, path: Path, err: Errors) -> None:
    if low + step > most:
        err.invalid(path, str(step), f"one step {low + step} is larger than capacity value: {most}")
    for value in values:
        if not step.value or (value.value - low.value) % step.value:  # upstream's divides by zero
            err.invalid(path, str(value), f"value is not a multiple of a given step ({step}) from ({low})")
