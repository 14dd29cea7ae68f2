"""How the server's seats are divided between priority levels: first as configured, then lent and borrowed. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from longboat.machinery.objects import Object

LEAST = 0.001  # seats: what wants nothing gets its part of what is left all the same


class Limits(NamedTuple):
    """Seats. `nominal` is a level's by its shares; `lower` of them it never lends; with what it borrows it has no more
    than `upper`."""

    nominal: int
    lower: int
    upper: int


class Want(NamedTuple):
    """What a level should have, and what it must be given at least and at most."""

    target: float
    lower: float
    upper: float


def nominal(levels: Mapping[str, Object], seats: int) -> dict[str, Limits]:
    """Of each level, by the shares in its spec (PriorityLevelConfigurationSpec)."""
    parts = {name: spec.get("limited") or spec.get("exempt") or {} for name, spec in levels.items()}
    shares = {name: part.get("nominalConcurrencyShares") or 0 for name, part in parts.items()}
    total, found = sum(shares.values()) or 1, dict[str, Limits]()
    for name, part in parts.items():
        mine = math.ceil(seats * shares[name] / total)
        lends, borrows = part.get("lendablePercent") or 0, part.get("borrowingLimitPercent")
        most = seats if borrows is None else _rounded(mine * borrows / 100)
        found[name] = Limits(mine, mine - _rounded(mine * lends / 100), mine + most)
    return found


def _rounded(value: float) -> int:
    return math.floor(value + 0.5)


def divided(seats: float, wants: Sequence[Want]) -> list[float]:
    """So many seats divided in proportion to the targets, as far as the bounds allow: each gets `p` times its target,
    or its bound, for the one `p` that makes the sum right.

    Where the bounds leave no such `p` everybody is at one of them. The sum grows with `p` and bends only where somebody
    comes to a bound, so `p` lies on the straight piece between two of those.
    """
    targets = [max(want.target, LEAST) for want in wants]

    def given(p: float) -> list[float]:
        return [min(max(p * t, want.lower), want.upper) for t, want in zip(targets, wants, strict=True)]

    bends = sorted({bound / t for t, want in zip(targets, wants, strict=True) for bound in want[1:]})
    below = 0.0
    for bend in bends:
        if sum(given(bend)) >= seats:
            low, high = sum(given(below)), sum(given(bend))
            if high > low and seats > low:
                below += (bend - below) * (seats - low) / (high - low)
            return given(below)
        below = bend
    return given(below)
