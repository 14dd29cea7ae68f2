"""Resource quantities (apimachinery, resource.Quantity): exact numbers with the API's suffixes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache, total_ordering

PATTERN = r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
MISMATCH = f"quantities must match the regular expression '{PATTERN}'"

_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BY_EXPONENT = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_NUMBER = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]?|[eE][+-]?[0-9]{1,3})")
_NANO = Decimal("1e-9")
_LARGEST = Decimal(2**63 - 1)


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """An exact amount, and the format it prints in: "DecimalSI", "BinarySI" or "DecimalExponent"."""

    amount: Decimal
    format: str = "DecimalSI"

    @property
    def value(self) -> int:
        """Whole units, rounded up."""
        return int(self.amount.to_integral_value(ROUND_CEILING))

    @property
    def milli(self) -> int:
        """Thousandths, rounded up."""
        return int((self.amount * 1000).to_integral_value(ROUND_CEILING))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.amount == other.amount

    def __lt__(self, other: Quantity) -> bool:
        return self.amount < other.amount

    def __hash__(self) -> int:
        return hash(self.amount)

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.amount + other.amount, self.format if self.amount else other.format)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.amount - other.amount, self.format if self.amount else other.format)

    def __bool__(self) -> bool:
        return self.amount != 0

    def __str__(self) -> str:
        """The canonical form: no fraction, the largest suffix that allows it."""
        if self.format == "BinarySI" and abs(self.amount) >= 1024 and self.amount == self.amount.to_integral_value():
            return _binary(int(self.amount))
        return _decimal(self.amount, self.format)


def _binary(amount: int) -> str:
    power = 0
    while amount and amount % 1024 == 0 and power < 6:
        amount //= 1024
        power += 1
    return f"{amount}{['', *_BINARY][power]}"


def _decimal(amount: Decimal, style: str) -> str:
    if not amount:
        return "0"
    sign, digits, exponent = amount.normalize().as_tuple()
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


@lru_cache(maxsize=8192)
def parse(text: str) -> Quantity:
    """Read a quantity. What is finer than a billionth is rounded up. Raises ValueError with upstream's message."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise ValueError(MISMATCH)
    number, suffix = found.groups()
    amount = Decimal(number)
    if suffix in _BINARY:
        amount, style = amount * 1024 ** _BINARY[suffix], "BinarySI"
    elif suffix in _DECIMAL:
        amount, style = amount.scaleb(_DECIMAL[suffix]), "DecimalSI"
    else:
        amount, style = amount.scaleb(int(suffix[1:])), "DecimalExponent"
    if abs(amount) > _LARGEST:
        amount = _LARGEST.copy_sign(amount)
    if amount != amount.quantize(_NANO):
        amount = amount.quantize(_NANO, ROUND_CEILING)
    return Quantity(amount, style)
