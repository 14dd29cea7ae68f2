"""How much of something somebody has used lately."""

from __future__ import annotations

RECOVERY = 0.2  # seconds forgiven a second: who uses less than a fifth of the time has used nothing
MOST = 2.0  # seconds remembered: the greatest user is as good as new after ten


class Usage:
    """Seconds used under one name, forgotten at a steady rate."""

    __slots__ = ("_at", "_used", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._used = 0.0
        self._at = 0.0

    def lately(self, now: float) -> float:
        return max(self._used - (now - self._at) * RECOVERY, 0.0)

    def add(self, seconds: float, now: float) -> None:
        self._used = min(self.lately(now) + seconds, MOST)
        self._at = now
