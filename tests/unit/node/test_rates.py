"""How fast processor time is used."""

from __future__ import annotations

from longboat.node.cri.interface import Usage
from longboat.node.serve.stats import NODE, Rates


def used(id: str, at: float, cpu: int) -> Usage:
    return Usage(id=id, name="c", labels={}, cpu=cpu, memory=0, disk=0, at=at)


def test_a_rate_takes_two_looks() -> None:
    rates = Rates()
    assert not rates.take([used("a", 100.0, 1_000_000_000)], 5.0, 100.0)
    assert rates.of("a") is None
    assert rates.take([used("a", 110.0, 3_000_000_000)], 15.0, 110.0)
    assert (rates.of("a"), rates.of(NODE)) == (200_000_000, 1_000_000_000)


def test_looks_too_close_keep_the_rate_and_too_far_apart_make_none() -> None:
    rates = Rates()
    rates.take([used("a", 0.0, 0)], 0.0, 0.0)
    rates.take([used("a", 10.0, 10)], 1.0, 10.0)
    rates.take([used("a", 10.1, 10_000)], 1.0, 10.1)
    assert rates.of("a") == 1
    assert not rates.take([used("a", 500.0, 20_000)], 2.0, 500.0)


def test_what_is_gone_is_forgotten_and_what_starts_over_has_no_rate() -> None:
    rates = Rates()
    rates.take([used("a", 0.0, 50), used("b", 0.0, 0)], 0.0, 0.0)
    assert not rates.take([used("a", 10.0, 10)], 1.0, 10.0)
    assert rates.of("b") is None
