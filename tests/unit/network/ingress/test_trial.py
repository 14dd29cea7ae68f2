"""Whoever is refused alone is found, and nobody else; no more trials are made than it takes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from longboat.network.ingress import trial


@given(st.integers(0, 40), st.sets(st.integers(0, 39), max_size=5))
def test_halves_lead_to_those_that_are_refused(count: int, bad: set[int]) -> None:
    trials = 0

    async def accepts(some: Sequence[int]) -> bool:
        nonlocal trials
        trials += 1
        return bad.isdisjoint(some)

    found = asyncio.run(trial.refused(range(count), accepts))
    expected = sorted(each for each in bad if each < count)
    assert found == expected
    assert trials <= 1 + len(expected) * 2 * math.ceil(math.log2(max(count, 2)))
