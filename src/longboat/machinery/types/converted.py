"""What upstream says of a value that a strategic merge patch leaves where its type does not belong.

Such patches meet objects in memory, not as text, and what comes of them is converted field by field (apimachinery,
UnstructuredConverter), which has words of its own.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from longboat.machinery.types.shapes import List, Map, Scalar, Shape, Struct

_KINDS = {str: "string", bool: "bool", int: "int64", float: "float64", list: "slice", dict: "map"}
_TYPES = {**_KINDS, list: "[]interface {}", dict: "map[string]interface {}"}
_GO = {"string": "string", "boolean": "bool", "int32": "int32", "int64": "int64", "double": "float64"}
_CONVERTIBLE = {  # by Go's rules, though not by JSON's
    "string": (int,), "int32": (float,), "int64": (float,), "double": (),
}  # fmt: skip
_FITTING = {"string": (str,), "boolean": (bool,), "int32": (int,), "int64": (int,), "double": (int, float)}


def mistake(shape: Shape, value: Any) -> str:
    """What is wrong with it, as the first that is found; "" where the converter has nothing to say."""
    if value is None:
        return ""
    if isinstance(shape, Scalar):
        return _of_scalar(shape, value)
    if isinstance(shape, Struct):
        if type(value) is not dict:
            return f"cannot restore struct from: {_KINDS[type(value)]}"
        return next(filter(None, (mistake(shape.fields[n], value[n]) for n in shape.fields if n in value)), "")
    if isinstance(shape, List):
        if type(value) is not list:
            return f"cannot restore slice from {_KINDS[type(value)]}"
        return next(filter(None, (mistake(shape.item, member) for member in value)), "")
    if type(value) is not dict:
        return f"cannot restore map from {_KINDS[type(value)]}"
    return _of_map(shape, value)


def _of_map(shape: Map, value: dict[str, Any]) -> str:
    return next(filter(None, (mistake(shape.value, value[name]) for name in sorted(value))), "")


def _of_scalar(shape: Scalar, value: Any) -> str:
    if shape.name == "bytes" and type(value) is not str:
        return f"cannot restore slice from {_KINDS[type(value)]}"
    if shape.name not in _GO or type(value) in _FITTING[shape.name]:
        return ""  # of a type that reads JSON itself, in the words of that
    if type(value) in _CONVERTIBLE.get(shape.name, ()):
        if type(value) is float and value.is_integer() and math.isfinite(value):
            return ""
        return f"cannot convert {_TYPES[type(value)]} to {_GO[shape.name]}"
    return f"unrecognized type: {_GO[shape.name]}"


def printed(value: Any) -> str:
    """A JSON value as Go prints it (%v)."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case float():
            return _float(value)
        case dict():
            return f"map[{' '.join(f'{name}:{printed(value[name])}' for name in sorted(value))}]"
        case list():
            return f"[{' '.join(map(printed, value))}]"
    return str(value)


def _float(value: float) -> str:
    """The shortest digits that mean it, with an exponent below 1e-4 and from 1e6 on."""
    sign, digits, point = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(point, int)
    written, exponent = "".join(map(str, digits)), len(digits) + point - 1
    if value == 0 or -4 <= exponent < 6:
        return repr(value).removesuffix(".0")
    fraction = f".{written[1:]}" if len(written) > 1 else ""
    return f"{'-' if sign else ''}{written[0]}{fraction}e{exponent:+03d}"
