"""Values that may be none (Common Expression Language, "Optional Types"). `or` and `orValue` are part of the plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from longboat.machinery.cel.errors import EvalError
from longboat.machinery.cel.values import MISSING, NO_OVERLOAD, NONE, Duration, Optional, Record, Timestamp

TABLE = """
optional.of optional_of (V) ?V
optional.ofNonZeroValue optional_ofNonZeroValue (V) ?V
optional.none optional_none () ?V
value optional_value recv.(?V) V
hasValue optional_hasValue recv.(?V) bool
or optional_or_optional recv.(?V ?V) ?V
orValue optional_orValue_value recv.(?V V) V
_?._ select_optional_field (dyn string) ?V
optional.unwrap optional_unwrap ([?V]) [V]
unwrapOpt optional_unwrapOpt recv.([?V]) [V]
"""


def zero(value: Any) -> bool:
    """Whether it is what its type has for nothing."""
    if isinstance(value, (Duration, Timestamp)):
        return isinstance(value, Duration) and not value.nanos
    return not isinstance(value, Record) and not value


def _value(held: Optional) -> Any:
    if held.value is MISSING:
        raise EvalError("optional.none() dereference")
    return held.value


def _unplanned(*_: Any) -> Any:
    raise EvalError(NO_OVERLOAD)


def _unwrap(items: list[Any]) -> list[Any]:
    return [item.value for item in items if item]


CALLS: dict[str, Callable[..., Any]] = {
    "optional_of": Optional, "optional_ofNonZeroValue": lambda value: NONE if zero(value) else Optional(value),
    "optional_none": lambda: NONE, "optional_value": _value, "optional_hasValue": bool,
    "optional_or_optional": _unplanned, "optional_orValue_value": _unplanned, "select_optional_field": _unplanned,
    "optional_unwrap": _unwrap, "optional_unwrapOpt": _unwrap,
}  # fmt: skip
