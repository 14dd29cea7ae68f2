"""What somebody has used lately, and how it is forgotten."""

from __future__ import annotations

import pytest

from longboat.aio.usage import MOST, RECOVERY, Usage


def test_it_adds_up_and_is_forgotten_at_a_steady_rate() -> None:
    usage = Usage("jane")
    usage.add(0.3, 10.0)
    usage.add(0.2, 10.0)
    assert usage.lately(10.0) == pytest.approx(0.5)
    assert usage.lately(11.0) == pytest.approx(0.5 - RECOVERY)
    assert usage.lately(100.0) == 0.0


def test_who_uses_little_has_used_nothing() -> None:
    usage = Usage("jane")
    for second in range(100):
        usage.add(RECOVERY * 0.9, float(second))
    assert usage.lately(100.0) == 0.0


def test_nobody_is_held_to_it_for_ever() -> None:
    usage = Usage("mallory")
    usage.add(1000.0, 0.0)
    assert usage.lately(0.0) == MOST
    assert usage.lately(MOST / RECOVERY) == 0.0
