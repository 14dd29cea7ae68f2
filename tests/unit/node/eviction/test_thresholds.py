"""What counts as short, since when, and until when: the kubelet's flags and the rules behind them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.node.eviction import signals
from longboat.node.eviction.defaults import DEFAULT_HARD
from longboat.node.eviction.signals import ALLOCATABLE_MEMORY, CONDITION, MEMORY, NODEFS, PIDS, Observation
from longboat.node.eviction.thresholds import Threshold, kept_back, pairs, thresholds
from longboat.node.eviction.watch import Watch

MI = 1 << 20
NONE: Mapping[str, str] = {}


def see(**available: int) -> dict[str, Observation]:
    """memory, nodefs and pid of a thousand each."""
    names = {"memory": MEMORY, "nodefs": NODEFS, "pid": PIDS}
    return {names[name]: Observation(value, 1000) for name, value in available.items()}


def signals_of(found: tuple[Threshold, ...]) -> list[tuple[str, float]]:
    return [(each.signal, each.grace) for each in found]


@pytest.mark.parametrize(
    ("hard", "soft", "grace", "reclaim", "wrong"),
    [
        ({"disk.free": "1"}, {}, {}, {}, "unsupported eviction signal disk.free"),
        ({ALLOCATABLE_MEMORY: "1"}, {}, {}, {}, "unsupported eviction signal allocatableMemory.available"),
        ({MEMORY: "-1"}, {}, {}, {}, "eviction threshold memory.available must be positive: -1"),
        ({MEMORY: "0"}, {}, {}, {}, "eviction threshold memory.available must be positive: 0"),
        ({MEMORY: "-5%"}, {}, {}, {}, "eviction percentage threshold memory.available must be >= 0%: -5%"),
        ({NODEFS: "101%"}, {}, {}, {}, "eviction percentage threshold nodefs.available must be <= 100%: 101%"),
        ({NODEFS: "x%"}, {}, {}, {}, 'strconv.ParseFloat: parsing "x": invalid syntax'),
        ({NODEFS: "ten"}, {}, {}, {}, "quantities must match the regular expression"),
        (
            {},
            {MEMORY: "1Gi"},
            {},
            {},
            "grace period must be specified for the soft eviction threshold memory",
        ),
        ({}, {MEMORY: "1Gi"}, {MEMORY: "-1m"}, {}, "invalid eviction grace period specified: -1m"),
        ({}, {}, {MEMORY: "soon"}, {}, 'time: invalid duration "soon"'),
        ({}, {}, {}, {NODEFS: "-1Gi"}, "negative eviction minimum reclaim specified for nodefs.available"),
        ({}, {}, {}, {NODEFS: "0%"}, "eviction percentage minimum reclaim nodefs.available must be positive: 0%"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_the_kubelets_words(
    hard: Mapping[str, str], soft: Mapping[str, str], grace: Mapping[str, str], reclaim: Mapping[str, str], wrong: str
) -> None:
    with pytest.raises(ValueError) as refused:
        thresholds(hard, soft, grace, reclaim)
    assert str(refused.value).startswith(wrong)


def test_flags_become_thresholds() -> None:
    found = thresholds(
        {MEMORY: "100Mi", NODEFS: "10%", "imagefs.available": "0%", "containerfs.available": "1Gi"},
        {NODEFS: "15%"}, {NODEFS: "1m30s"}, {NODEFS: "1Gi"},
    )  # fmt: skip
    assert signals_of(found) == [(MEMORY, 0), (NODEFS, 0), (NODEFS, 90), (ALLOCATABLE_MEMORY, 0)]
    assert [str(each.value.of(100 << 30)) for each in found] == ["100Mi", "10Gi", "15Gi", "100Mi"]
    assert [each.reclaim is not None for each in found] == [False, True, True, False]
    assert pairs(["memory.available<1Gi", "nodefs.available<10%"], "<") == {MEMORY: "1Gi", NODEFS: "10%"}
    with pytest.raises(ValueError, match="malformed pair, expect string<string"):
        pairs(["memory.available=1Gi"], "<")
    default = thresholds(DEFAULT_HARD, NONE, NONE, NONE)
    assert kept_back(default, MEMORY, 8 << 30) == 100 * MI and kept_back(default, NODEFS, 1000) == 100
    assert kept_back(default, PIDS, 1000) == 0 and kept_back(default, MEMORY, MI) == MI, "never more than there is"


def test_every_signal_has_a_resource_and_a_condition() -> None:
    assert set(CONDITION) == set(signals.RESOURCE) and set(CONDITION.values()) == {
        "MemoryPressure", "DiskPressure", "PIDPressure",
    }  # fmt: skip


def test_hard_ones_count_at_once_and_soft_ones_when_their_grace_is_over() -> None:
    watch = Watch(thresholds({NODEFS: "100"}, {NODEFS: "200"}, {NODEFS: "30s"}, NONE), 300)
    assert watch.look(see(nodefs=300), 0) == () and watch.conditions == ()
    assert watch.look(see(nodefs=150), 10) == () and watch.conditions == ("DiskPressure",), "it is told, not acted upon"
    assert watch.look(see(nodefs=150), 39) == ()
    assert signals_of(watch.look(see(nodefs=150), 40)) == [(NODEFS, 30)]
    assert signals_of(watch.look(see(nodefs=50), 41)) == [(NODEFS, 0), (NODEFS, 30)]
    assert watch.look(see(nodefs=300), 42) == ()
    assert watch.look(see(nodefs=150), 43) == (), "its grace begins anew"


def test_a_condition_stays_for_a_while() -> None:
    watch = Watch(thresholds({NODEFS: "100", PIDS: "10"}, NONE, NONE, NONE), 300)
    watch.look(see(nodefs=50, pid=500), 0)
    watch.look(see(nodefs=500, pid=5), 299)
    assert watch.conditions == ("DiskPressure", "PIDPressure")
    watch.look(see(nodefs=500, pid=500), 300)
    assert watch.conditions == ("PIDPressure",)
    watch.look(see(nodefs=500, pid=500), 600)
    assert watch.conditions == ()


def test_a_condition_that_is_there_is_shown_even_without_a_transition_period() -> None:
    watch = Watch(thresholds({NODEFS: "100"}, NONE, NONE, NONE), 0)
    watch.look(see(nodefs=50), 0)
    assert watch.conditions == ("DiskPressure",)
    watch.look(see(nodefs=150), 0.5)
    assert watch.conditions == ()


def test_memory_comes_first_and_what_is_not_seen_is_not_met() -> None:
    watch = Watch(thresholds({PIDS: "10", NODEFS: "10", MEMORY: "10"}, NONE, NONE, NONE), 300)
    assert [e.signal for e in watch.look(see(nodefs=5, memory=5, pid=5), 0)] == [MEMORY, PIDS, NODEFS]
    assert [e.signal for e in watch.look(see(nodefs=5), 1)] == [NODEFS]


def test_reclaiming_goes_on_until_the_minimum_is_there() -> None:
    watch = Watch(thresholds({NODEFS: "100"}, NONE, NONE, {NODEFS: "50"}), 300)
    assert watch.look(see(nodefs=120), 0) == (), "it has not been met yet"
    assert watch.is_relieved(see(nodefs=150)) and not watch.is_relieved(see(nodefs=149))
    assert signals_of(watch.look(see(nodefs=99), 1)) == [(NODEFS, 0)]
    assert signals_of(watch.look(see(nodefs=149), 2)) == [(NODEFS, 0)], "100 and 50 are wanted now"
    assert watch.look(see(nodefs=150), 3) == ()
    assert watch.look(see(nodefs=149), 4) == ()


@given(
    st.lists(st.tuples(st.integers(0, 300), st.floats(0.1, 100)), max_size=30),
    st.integers(1, 200), st.integers(0, 60), st.integers(0, 100),
)  # fmt: skip
def test_laws_of_looking(steps: list[tuple[int, float]], value: int, grace: int, reclaim: int) -> None:
    """Nothing is done before it was met without pause for its grace, nor once enough is there; and while anything is
    met the condition says so."""
    watch = Watch(
        thresholds(NONE, {NODEFS: str(value)}, {NODEFS: f"{grace}s"}, {NODEFS: str(reclaim)} if reclaim else NONE), 10
    )
    now, since = 0.0, None
    for available, pause in steps:
        now += pause
        due = watch.look(see(nodefs=available), now)
        if available < value:
            since = now if since is None else since
            assert "DiskPressure" in watch.conditions
        if available >= value + reclaim:
            assert due == ()
            since = None
        if due:
            assert since is not None and now - since >= grace
        elif available >= value:
            since = None
