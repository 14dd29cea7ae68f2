"""How long to wait after failures: doubling, bounded, and never for everybody at the same moment."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """Delays of one thing that fails repeatedly. `jitter` is the share by which each delay varies upwards."""

    first: float = 0.05
    longest: float = 30.0
    jitter: float = 0.5
    dice: random.Random = field(default_factory=random.Random)
    failures: int = 0

    def next(self) -> float:
        """The delay after one more failure, in seconds."""
        delay = min(self.first * 2.0 ** min(self.failures, 30), self.longest)
        self.failures += 1
        return delay * (1 + self.jitter * self.dice.random())

    def reset(self) -> None:
        self.failures = 0


def doubling(failures: int, first: float, longest: float) -> float:
    """The delay after so many failures in a row (at least one), without jitter."""
    return min(first * 2.0 ** min(failures - 1, 60), longest)
