"""How many replicas a metric asks for, and how fast to get there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.controllers.autoscaling.behavior import History, limit
from longboat.controllers.autoscaling.replicas import NoMetrics, by_average, by_utilization
from longboat.controllers.autoscaling.views import Behavior, ScaledPod, ScalingPolicy, ScalingRules
from longboat.machinery.objects import timestamp

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def pod(
    name: str, *, phase: str = "Running", ready: bool = True, age: float = 3600, cpu: str | None = "1"
) -> ScaledPod:
    since = timestamp(NOW - timedelta(seconds=age))
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": since}
    requests: dict[str, Any] = {"requests": {"cpu": cpu}} if cpu else {}
    return msgspec.convert(
        {
            "metadata": {"name": name},
            "spec": {"containers": [{"name": "c", "resources": requests}]},
            "status": {"phase": phase, "startTime": since, "conditions": [condition]},
        },
        ScaledPod,
    )


def used(*milli: int) -> dict[str, dict[str, int]]:
    return {f"p{number}": {"c": amount} for number, amount in enumerate(milli)}


PODS = [pod("p0"), pod("p1"), pod("p2")]


@pytest.mark.parametrize(
    ("milli", "wanted"),
    [((300, 300, 300), 2), ((500, 500, 500), 3), ((530, 550, 540), 3), ((900, 900, 900), 6), ((1000, 0, 0), 2)],
)
def test_the_ratio_decides_outside_the_tolerance(milli: tuple[int, ...], wanted: int) -> None:
    found = by_utilization(3, 50, PODS, used(*milli), "cpu", "", NOW)
    assert found.replicas == wanted
    assert (found.utilization, found.average) == (sum(milli) * 100 // 3000, sum(milli) // 3)


def test_pods_that_say_nothing_hold_the_change_back() -> None:
    """Up: as if they used nothing. Down: as if they used all they asked for."""
    assert by_utilization(3, 50, PODS, used(900, 900), "cpu", "", NOW).replicas == 4
    assert by_utilization(3, 50, PODS, used(100, 100), "cpu", "", NOW).replicas == 3
    with pytest.raises(NoMetrics, match="did not receive metrics for targeted pods"):
        by_utilization(3, 50, PODS, {}, "cpu", "", NOW)


def test_pods_that_have_just_begun_count_as_idle_when_more_are_wanted() -> None:
    pods = [pod("p0"), pod("p1", ready=False, age=10), pod("p2", phase="Pending", age=1)]
    assert by_utilization(3, 50, pods, used(1000, 4000), "cpu", "", NOW).replicas == 3
    assert by_utilization(3, 50, pods, used(100, 4000), "cpu", "", NOW).replicas == 1


def test_a_request_is_needed_to_speak_of_percents() -> None:
    with pytest.raises(ValueError, match="missing request for cpu in container c of Pod p0"):
        by_utilization(1, 50, [pod("p0", cpu=None)], used(10), "cpu", "", NOW)
    assert by_average(1, 100, [pod("p0", cpu=None)], used(350), "cpu", "", NOW).replicas == 4


def behave(up: ScalingRules | None = None, down: ScalingRules | None = None) -> Behavior:
    return Behavior(scaleUp=up, scaleDown=down)


def test_the_default_doubles_or_adds_four_and_waits_five_minutes_to_come_down() -> None:
    history = History()
    assert limit(behave(), 1, 100, 1, 50, history, 0.0).replicas == 5
    history.scaled(0.0, 4)
    assert limit(behave(), 1, 100, 5, 50, history, 1.0).replicas == 5  # its policies look back fifteen seconds
    assert limit(behave(), 1, 100, 5, 50, history, 16.0).replicas == 10
    history.scaled(16.0, 5)
    held = limit(behave(), 1, 100, 10, 2, history, 100.0)
    assert (held.replicas, held.stabilized) == (10, "ScaleDownStabilized")
    assert limit(behave(), 1, 100, 10, 2, history, 317.0).replicas == 2


def test_bounds_and_disabled_directions() -> None:
    assert limit(behave(), 2, 4, 3, 100, History(), 0.0).reason == "TooManyReplicas"
    assert limit(behave(), 2, 4, 3, 0, History(), 0.0).reason == "TooFewReplicas"
    off = ScalingRules(selectPolicy="Disabled", stabilizationWindowSeconds=0)
    assert limit(behave(down=off), 1, 9, 5, 1, History(), 0.0).replicas == 5
    slow = ScalingRules(policies=[ScalingPolicy(type="Pods", value=1, periodSeconds=60)], stabilizationWindowSeconds=0)
    found = limit(behave(down=slow), 1, 9, 5, 1, History(), 0.0)
    assert (found.replicas, found.reason) == (4, "ScaleDownLimit")


@given(
    st.integers(1, 50),
    st.integers(0, 60),
    st.integers(1, 10),
    st.integers(10, 40),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_the_result_lies_between_now_and_the_bounds(
    current: int, proposed: int, least: int, most: int, earlier: list[int]
) -> None:  # fmt: skip
    history = History(proposals=[(float(at), value) for at, value in enumerate(earlier)])
    current = min(max(current, least), most)
    found = limit(behave(), least, most, current, proposed, history, 10.0).replicas
    assert least <= found <= most
    assert min(current, proposed, *earlier, most) <= found <= max(current, proposed, least, *earlier)
