"""How many seats a priority level has been asked for: over each period, and smoothed over many."""

from __future__ import annotations

import math

SMOOTHED = 0.977  # of the former value that a period leaves (flowcontrol, seatDemandSmoothingCoefficient)
NOTHING = 0.01  # seats: less is as good as none


class Demand:
    """Seats in use and asked for, over time."""

    __slots__ = ("_area", "_began", "_most", "_now", "_squares", "_value", "average", "deviation", "most", "smoothed")

    def __init__(self, now: float) -> None:
        self._began = self._now = now
        self._value = self._most = 0
        self._area = self._squares = 0.0
        self.most, self.average, self.deviation, self.smoothed = 0, 0.0, 0.0, 0.0  # of the last period, and of all

    def change(self, seats: int, now: float) -> None:
        """So many more are asked for, or fewer."""
        value, spent = self._value, now - self._now
        self._area += value * spent
        self._squares += value * value * spent
        self._now, self._value = now, value + seats
        if self._value > self._most:
            self._most = self._value

    def close(self, now: float) -> None:
        """End the period, and begin the next."""
        self.change(0, now)
        length = now - self._began
        self.most = self._most
        self.average = self._area / length if length > 0 else float(self._value)
        self.deviation = math.sqrt(max(self._squares / length - self.average**2, 0.0)) if length > 0 else 0.0
        envelope = self.average + self.deviation
        self.smoothed = max(envelope, SMOOTHED * self.smoothed + (1 - SMOOTHED) * envelope)
        self._began, self._most = now, self._value
        self._area = self._squares = 0.0

    @property
    def rests(self) -> bool:
        return not self._value and not self._most and self.smoothed < NOTHING
