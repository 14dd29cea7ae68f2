"""How upstream's decoder names JSON values and types when it refuses one for the other."""

from __future__ import annotations

import re
from typing import Any

from longboat.machinery.types.shapes import SCALARS, Scalar, Shape, Struct

INTEGERS = ("int32", "int64")
_INDEX = re.compile(r"\[\d+\]")


class Mistake(Exception):
    """The value is not of its field's type; the message is upstream's."""


def described(value: Any, wanted: Shape) -> str:
    """A JSON value; a number is shown only where an integer of some size was wanted."""
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case str():
            return "string"
        case int() | float():
            return f"number {value}" if isinstance(wanted, Scalar) and wanted.name in INTEGERS else "number"
        case list():
            return "array"
    return "object"


def mismatch(value: Any, wanted: Shape, owner: Struct, path: str) -> Mistake:
    """`owner` is the innermost type on the way to the value, `path` the whole way."""
    shown = described(value, wanted)
    if not path:
        return Mistake(f"json: cannot unmarshal {shown} into Go value of type {wanted.go}")
    field = f"{owner.short}.{_INDEX.sub('', path)}"
    return Mistake(f"json: cannot unmarshal {shown} into Go struct field {field} of type {wanted.go}")


def mismatched(value: Any, wanted: str, owner: Struct, path: str) -> Mistake:
    """As `mismatch`, for a scalar by its name."""
    return mismatch(value, SCALARS[wanted], owner, path)
