"""The collector of cycles stops everything while it looks: how much it looks at in one go."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from longboat.aio import collector

AT_ONCE = 50_000  # objects; some ten milliseconds where they lie scattered


@pytest.fixture
def as_in_servers() -> Iterator[None]:
    before = gc.get_threshold()
    gc.collect()
    collector.hurry_less()
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("as_in_servers")
def test_a_burst_of_objects_that_stay_is_never_looked_at_all_at_once() -> None:
    looked_at = []

    def watch(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            looked_at.append(sum(len(gc.get_objects(young)) for young in range(info["generation"] + 1)))

    gc.callbacks.append(watch)
    try:
        kept = [[number] for number in range(1_200_000)]
    finally:
        gc.callbacks.remove(watch)
    assert len(kept) > sum(looked_at) / 4  # nor each of them many times
    assert 0 < max(looked_at) <= AT_ONCE
