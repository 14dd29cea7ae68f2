"""Below which amount a node counts as short of something, as the kubelet's flags say it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from longboat.machinery import duration, quantity
from longboat.machinery.quantity import Quantity
from longboat.node.eviction import signals

SETTABLE: Final = frozenset(signals.RESOURCE) - {signals.ALLOCATABLE_MEMORY}
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{0,18})?")
FOLLOWING: Final = frozenset((signals.CONTAINERFS, signals.CONTAINERFS_INODES))  # nodefs or imagefs decide


class Amount(msgspec.Struct, frozen=True):
    """So much, or a share (0 to 1) of what there could be."""

    quantity: Quantity | None = None
    share: float = 0.0

    def of(self, capacity: int) -> Quantity:
        if self.quantity is not None:
            return self.quantity
        return Quantity(Decimal(int(capacity * self.share)), "BinarySI")


class Threshold(msgspec.Struct, frozen=True):
    """It is met while less is available. `grace` is for how many seconds that may last; hard ones allow none. `reclaim`
    is how much more there has to be before it no longer counts as met."""

    signal: str
    value: Amount
    grace: float = 0.0
    reclaim: Amount | None = None

    @property
    def is_hard(self) -> bool:
        return self.grace == 0

    def is_met(self, seen: signals.Observation, *, and_reclaimed: bool = False) -> bool:
        wanted = self.value.of(seen.capacity).amount
        if and_reclaimed and self.reclaim is not None:
            wanted += self.reclaim.of(seen.capacity).amount
        return seen.available < wanted


def thresholds(
    hard: Mapping[str, str], soft: Mapping[str, str], grace: Mapping[str, str], reclaim: Mapping[str, str]
) -> tuple[Threshold, ...]:
    """Of flags, by signal. The pods' own share of memory gets the hard threshold of the node's, as upstream has it.

    Raises ValueError in the kubelet's words.
    """
    graces = {signal: _grace(signal, text) for signal, text in grace.items()}
    reclaims = {signal: _reclaim(signal, text) for signal, text in reclaim.items()}
    found = [
        Threshold(signal, value, reclaim=reclaims.get(signal))
        for signal, text in hard.items()
        if (value := _value(signal, text)) is not None
    ]
    for signal, text in soft.items():
        value = _value(signal, text)
        if signal not in graces:
            raise ValueError(f"grace period must be specified for the soft eviction threshold {signal}")
        if value is not None:
            found.append(Threshold(signal, value, graces[signal], reclaims.get(signal)))
    found += [
        msgspec.structs.replace(each, signal=signals.ALLOCATABLE_MEMORY)
        for each in found
        if each.signal == signals.MEMORY and each.is_hard
    ]
    return tuple(each for each in found if each.signal not in FOLLOWING)


def pairs(texts: Iterable[str], separator: str) -> dict[str, str]:
    """`memory.available<100Mi` and the like, by what stands before the separator. Raises ValueError."""
    found = {}
    for text in texts:
        name, sign, value = text.partition(separator)
        if not sign:
            raise ValueError(f"malformed pair, expect string{separator}string")
        found[name.strip()] = value.strip()
    return found


def kept_back(found: Iterable[Threshold], signal: str, capacity: int) -> int:
    """How much of the capacity is not for pods: evictions begin before they could use it."""
    kept = [each.value.of(capacity).value for each in found if each.signal == signal and each.is_hard]
    return min(max(kept, default=0), capacity)


def _checked(signal: str) -> None:
    if signal not in SETTABLE:
        raise ValueError(f"unsupported eviction signal {signal}")


def _value(signal: str, text: str) -> Amount | None:
    """None for 0% and 100%, which turn a threshold off."""
    _checked(signal)
    if text.endswith("%"):
        if text in ("0%", "100%"):
            return None
        share = _share(text)
        if share < 0:
            raise ValueError(f"eviction percentage threshold {signal} must be >= 0%: {text}")
        if share > 1:
            raise ValueError(f"eviction percentage threshold {signal} must be <= 100%: {text}")
        return Amount(share=share)
    found = quantity.parse(text)
    if found.amount <= 0:
        raise ValueError(f"eviction threshold {signal} must be positive: {found}")
    return Amount(found)


def _reclaim(signal: str, text: str) -> Amount:
    _checked(signal)
    if text.endswith("%"):
        if (share := _share(text)) <= 0:
            raise ValueError(f"eviction percentage minimum reclaim {signal} must be positive: {text}")
        return Amount(share=share)
    found = quantity.parse(text)
    if found.amount < 0:
        raise ValueError(f"negative eviction minimum reclaim specified for {signal}")
    return Amount(found)


def _grace(signal: str, text: str) -> float:
    _checked(signal)
    seconds = duration.parse(text)
    if seconds < 0:
        raise ValueError(f"invalid eviction grace period specified: {text}, must be a positive value")
    return float(seconds)


def _share(text: str) -> float:
    digits = text.rstrip("%")
    if not _NUMBER.fullmatch(digits):
        raise ValueError(f'strconv.ParseFloat: parsing "{digits}": invalid syntax')
    return float(digits) / 100
