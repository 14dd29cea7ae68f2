"""Resource quantities (apimachinery, resource.Quantity): exact numbers with the API's suffixes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_UP, Context, Decimal
from functools import total_ordering

from longboat.aio.cache import short_lru

PATTERN = r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
MISMATCH = f"quantities must match the regular expression '{PATTERN}'"
NO_NUMBER = "unable to parse numeric part of quantity"
NO_SUFFIX = "unable to parse quantity's suffix"

_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BY_EXPONENT = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_SHAPE = re.compile(r"([+-]?)([0-9]*(?:\.[0-9]*)?)([eEinumkKMGTP]*[-+]?[0-9]*)")
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]{1,9})")
_NANO = Decimal("1e-9")
_LARGEST = Decimal(2**63 - 1)
_EXACT = Context(prec=100)  # digits; the largest amount with all its fractions has 28
_LONGEST = 80  # characters whose every digit counts


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """An exact amount, and the format it prints in: "DecimalSI", "BinarySI" or "DecimalExponent"."""

    amount: Decimal
    format: str = "DecimalSI"

    @property
    def value(self) -> int:
        """Whole units, rounded away from zero."""
        return int(self.amount.to_integral_value(ROUND_UP))

    @property
    def milli(self) -> int:
        """Thousandths, rounded away from zero."""
        return int((self.amount * 1000).to_integral_value(ROUND_UP))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.amount == other.amount

    def __lt__(self, other: Quantity) -> bool:
        return self.amount < other.amount

    def __hash__(self) -> int:
        return hash(self.amount)

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(_EXACT.add(self.amount, other.amount), self.format if self.amount else other.format)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(_EXACT.subtract(self.amount, other.amount), self.format if self.amount else other.format)

    def __neg__(self) -> Quantity:
        return Quantity(_EXACT.minus(self.amount), self.format)

    def __bool__(self) -> bool:
        return self.amount != 0

    def __str__(self) -> str:
        """The canonical form: no fraction, the largest suffix that allows it."""
        if self.format == "BinarySI" and abs(self.amount) >= 1024 and self.amount == self.amount.to_integral_value():
            return _binary(int(self.amount))
        return _decimal(self.amount, self.format)


ZERO = Quantity(Decimal(0))


def _binary(amount: int) -> str:
    power = 0
    while amount and amount % 1024 == 0 and power < 6:
        amount //= 1024
        power += 1
    return f"{amount}{['', *_BINARY][power]}"


def _decimal(amount: Decimal, style: str) -> str:
    if not amount:
        return "0"
    sign, digits, exponent = amount.normalize(_EXACT).as_tuple()
    assert isinstance(exponent, int)
    number = int("".join(map(str, digits)))
    while exponent % 3:
        number *= 10
        exponent -= 1
    if style == "DecimalExponent":
        suffix = f"e{exponent}" if exponent else ""
    else:
        while exponent > 18:
            number *= 1000
            exponent -= 3
        suffix = _BY_EXPONENT[exponent]
    return f"{'-' if sign else ''}{number}{suffix}"


@short_lru(maxsize=8192, longest=64)
def parse(text: str) -> Quantity:
    """Read a quantity. What is finer than a billionth is rounded away from zero; more than 2⁶³-1 becomes that.

    Raises ValueError with upstream's message.
    """
    found = _SHAPE.fullmatch(text)
    if found is None or not text:
        raise ValueError(MISMATCH)
    sign, number, suffix = found.groups()
    scale, style = _scale(suffix)
    if number in ("", "."):
        raise ValueError(NO_NUMBER)
    amount = _rounded(_EXACT.multiply(_shortened(number), scale))
    return Quantity(-amount if sign == "-" else amount, style)


def _scale(suffix: str) -> tuple[Decimal, str]:
    if suffix in _BINARY:
        return Decimal(1024 ** _BINARY[suffix]), "BinarySI"
    if suffix in _DECIMAL:
        return Decimal(1).scaleb(_DECIMAL[suffix]), "DecimalSI"
    if exponent := _EXPONENT.fullmatch(suffix):
        return Decimal(1).scaleb(max(-999, min(999, int(exponent[1])))), "DecimalExponent"
    raise ValueError(NO_SUFFIX)


def _shortened(number: str) -> Decimal:
    """The number, a very long one cut where nothing can come of the rest but rounding up."""
    whole, _, fraction = number.partition(".")
    whole = whole.lstrip("0")
    if len(whole) > _LONGEST:
        return Decimal("1e999")
    if len(fraction) > _LONGEST:
        rest = fraction[_LONGEST:].strip("0")
        fraction = fraction[:_LONGEST] + ("1" if rest else "")
    return Decimal(f"{whole or 0}.{fraction or 0}")


def _rounded(amount: Decimal) -> Decimal:
    if amount > _LARGEST:
        return _LARGEST
    exact = amount.quantize(_NANO, ROUND_UP, _EXACT)
    return amount if exact == amount else exact
