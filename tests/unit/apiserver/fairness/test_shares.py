"""Seats: by shares, and divided anew by what is asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.apiserver.fairness.shares import LEAST, Limits, Want, divided, nominal
from longboat.registry.kinds.flowcontrol import mandatory, suggested


def test_upstreams_objects_have_upstreams_seats() -> None:
    """As apiserver_flowcontrol_nominal_limit_seats and its like of a kube-apiserver with its defaults (600 seats)."""
    assert nominal(mandatory.LEVELS | suggested.LEVELS, 600) == {
        "exempt": Limits(0, 0, 600),
        "catch-all": Limits(13, 13, 613),
        "system": Limits(74, 50, 674),
        "node-high": Limits(98, 73, 698),
        "leader-election": Limits(25, 25, 625),
        "workload-high": Limits(98, 49, 698),
        "workload-low": Limits(245, 24, 845),
        "global-default": Limits(49, 24, 649),
    }


def test_a_level_borrows_no_more_than_it_says() -> None:
    spec = {"type": "Limited", "limited": {"nominalConcurrencyShares": 10, "borrowingLimitPercent": 50}}
    assert nominal({"a": spec, "b": spec}, 100)["a"] == Limits(50, 50, 75)


@st.composite
def wants(draw: st.DrawFn) -> list[Want]:
    found = []
    for _ in range(draw(st.integers(1, 8))):
        lower = draw(st.integers(0, 100))
        found.append(Want(lower + draw(st.integers(0, 200)), lower, lower + draw(st.integers(0, 300))))
    return found


@given(wants(), st.integers(0, 1000))
def test_who_is_at_no_bound_has_the_same_part_of_what_it_wants(found: list[Want], seats: int) -> None:
    given_ = divided(seats, found)
    assert all(want.lower <= each <= want.upper for want, each in zip(found, given_, strict=True))
    if sum(want.lower for want in found) <= seats <= sum(want.upper for want in found):
        assert sum(given_) == pytest.approx(seats, abs=1e-6)
    parts = [
        each / max(want.target, LEAST)
        for want, each in zip(found, given_, strict=True)
        if want.lower < each < want.upper
    ]
    assert all(part == pytest.approx(parts[0], rel=1e-6) for part in parts)
    for want, each in zip(found, given_, strict=True):
        part = each / max(want.target, LEAST)
        if parts and each == want.lower < want.upper:
            assert part >= parts[0] * (1 - 1e-6), "at its least, and has more than its part already"
        if parts and each == want.upper > want.lower:
            assert part <= parts[0] * (1 + 1e-6), "at its most, and would have more"
