"""Quantities and semantic versions (Kubernetes' libraries kubernetes.quantity and kubernetes.Semver)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import total_ordering
from typing import Any

from longboat.machinery import quantity
from longboat.machinery.cel import values
from longboat.machinery.cel.errors import EvalError
from longboat.machinery.fieldpath import quoted
from longboat.machinery.quantity import Quantity

TABLE = """
quantity string_to_quantity (string) Quantity
isQuantity is_quantity_string (string) bool
sign quantity_sign (Quantity) int
isGreaterThan quantity_is_greater_than recv.(Quantity Quantity) bool
isLessThan quantity_is_less_than recv.(Quantity Quantity) bool
compareTo quantity_compare_to recv.(Quantity Quantity) int
asApproximateFloat quantity_get_float recv.(Quantity) double
asInteger quantity_get_int recv.(Quantity) int
isInteger quantity_is_integer recv.(Quantity) bool
add quantity_add recv.(Quantity Quantity) Quantity
add quantity_add_int recv.(Quantity int) Quantity
sub quantity_sub recv.(Quantity Quantity) Quantity
sub quantity_sub_int recv.(Quantity int) Quantity
semver string_to_semver (string) Semver
semver string_bool_to_semver (string bool) Semver
isSemver is_semver_string (string) bool
isSemver is_semver_string_bool (string bool) bool
isGreaterThan semver_is_greater_than recv.(Semver Semver) bool
isLessThan semver_is_less_than recv.(Semver Semver) bool
compareTo semver_compare_to recv.(Semver Semver) int
major semver_major recv.(Semver) int
minor semver_minor recv.(Semver) int
patch semver_patch recv.(Semver) int
"""


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Semver:
    """A version; what is built does not count (semver.org, 2.0.0)."""

    numbers: tuple[int, int, int]
    before: tuple[int | str, ...] = ()

    @property
    def _key(self) -> tuple[Any, ...]:
        return (self.numbers, not self.before, tuple((isinstance(part, str), part) for part in self.before))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Semver) and self._key == other._key

    def __lt__(self, other: Semver) -> bool:
        return bool(self._key < other._key)

    def __hash__(self) -> int:
        return hash(self._key)


values.register(Quantity, "kubernetes.Quantity")
values.register(Semver, "kubernetes.Semver")
_SIGNS = re.compile(r"[0-9A-Za-z-]+")


def _plain(part: str) -> bool:
    return part.isascii() and part.isdigit()


def parse_semver(text: str) -> Semver:
    """Raises ValueError."""
    if not text:
        raise ValueError("Version string empty")
    parts = text.split(".", 2)
    if len(parts) != 3:
        raise ValueError("No Major.Minor.Patch elements found")
    rest, plus, build = parts[2].partition("+")
    patch, dash, before = rest.partition("-")
    numbers = []
    for name, part in (("major", parts[0]), ("minor", parts[1]), ("patch", patch)):
        if not _plain(part):
            raise ValueError(f"Invalid character(s) found in {name} number {quoted(part)}")
        if len(part) > 1 and part[0] == "0":
            raise ValueError(f"{name.capitalize()} number must not contain leading zeroes {quoted(part)}")
        if len(part) > 20 or int(part) > values.UINT_MAX:
            raise ValueError(f"strconv.ParseUint: parsing {quoted(part)}: value out of range")
        numbers.append(int(part))
    tags: list[int | str] = []
    for part in before.split(".") if dash else ():
        if not part:
            raise ValueError("Prerelease is empty")
        if _plain(part):
            if len(part) > 1 and part[0] == "0":
                raise ValueError(f"Numeric PreRelease version must not contain leading zeroes {quoted(part)}")
            tags.append(int(part[:40]))
        elif _SIGNS.fullmatch(part):
            tags.append(part)
        else:
            raise ValueError(f"Invalid character(s) found in prerelease {quoted(part)}")
    for part in build.split(".") if plus else ():
        if not part:
            raise ValueError("Build meta data is empty")
        if not _SIGNS.fullmatch(part):
            raise ValueError(f"Invalid character(s) found in build meta data {quoted(part)}")
    return Semver((numbers[0], numbers[1], numbers[2]), tuple(tags))


def _normal(text: str) -> str:
    """Without a leading v and zeros, with all three numbers. Raises ValueError."""
    parts = text.removeprefix("v").split(".", 2)
    for i, part in enumerate(parts):
        if len(part) > 1:
            short = part.lstrip("0")
            parts[i] = short if short[:1].isdigit() else f"0{short}"
    if len(parts) < 3:
        if any(sign in parts[-1] for sign in "+-"):
            raise ValueError("short version cannot contain PreRelease/Build meta data")
        parts += ["0"] * (3 - len(parts))
    return ".".join(parts)


def _read_semver(text: str, normalize: bool = False) -> Semver:
    return parse_semver(_normal(text) if normalize else text)


def _or_error(read: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        try:
            return read(*args)
        except ValueError as error:
            raise EvalError(str(error)) from error

    return call


def _fits(read: Callable[..., Any]) -> Callable[..., bool]:
    def call(*args: Any) -> bool:
        try:
            read(*args)
        except ValueError:
            return False
        return True

    return call


def _order(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


def _is_integer(value: Quantity) -> bool:
    whole = value.amount == value.amount.to_integral_value()
    return whole and values.INT_MIN <= value.amount <= values.INT_MAX


def _integer(value: Quantity) -> int:
    if not _is_integer(value):
        raise EvalError("cannot convert value to integer")
    return int(value.amount)


def _whole(number: int) -> Quantity:
    return Quantity(Decimal(number), "DecimalExponent")


CALLS: dict[str, Callable[..., Any]] = {
    "string_to_quantity": _or_error(quantity.parse), "is_quantity_string": _fits(quantity.parse),
    "quantity_sign": lambda value: _order(value.amount, 0),
    "quantity_is_greater_than": lambda one, other: one > other, "quantity_is_less_than": lambda one, other: one < other,
    "quantity_compare_to": _order, "quantity_get_float": lambda value: float(value.amount),
    "quantity_get_int": _integer, "quantity_is_integer": _is_integer,
    "quantity_add": lambda one, other: one + other, "quantity_sub": lambda one, other: one - other,
    "quantity_add_int": lambda value, number: value + _whole(number),
    "quantity_sub_int": lambda value, number: value - _whole(number),
    "string_to_semver": _or_error(_read_semver), "string_bool_to_semver": _or_error(_read_semver),
    "is_semver_string": _fits(_read_semver), "is_semver_string_bool": _fits(_read_semver),
    "semver_is_greater_than": lambda one, other: one > other, "semver_is_less_than": lambda one, other: one < other,
    "semver_compare_to": _order, "semver_major": lambda value: value.numbers[0],
    "semver_minor": lambda value: value.numbers[1], "semver_patch": lambda value: value.numbers[2],
}  # fmt: skip
