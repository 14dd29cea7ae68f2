"""How fast to get to the replicas that the metrics ask for: stabilization, policies per direction (KEP-853). Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from longboat.controllers.autoscaling.views import Behavior, ScalingPolicy, ScalingRules

STABILIZATION_DOWN = 300  # seconds, where the behavior does not say
UP = ScalingRules(
    stabilizationWindowSeconds=0,
    policies=[
        ScalingPolicy(type="Pods", value=4, periodSeconds=15),
        ScalingPolicy(type="Percent", value=100, periodSeconds=15),
    ],
)
DOWN = ScalingRules(policies=[ScalingPolicy(type="Percent", value=100, periodSeconds=15)])


@dataclass
class History:
    """What has been proposed and done before: (seconds, replicas), (seconds, change)."""

    proposals: list[tuple[float, int]] = field(default_factory=list)
    ups: list[tuple[float, int]] = field(default_factory=list)
    downs: list[tuple[float, int]] = field(default_factory=list)

    def scaled(self, now: float, change: int) -> None:
        (self.ups if change > 0 else self.downs).append((now, abs(change)))

    def trim(self, now: float, behavior: Behavior) -> None:
        """Forget what no policy looks back at."""
        up, down = rules(behavior)
        periods = [policy.periodSeconds for found in (up, down) for policy in found.policies]
        longest = max([window(up, 0), window(down, STABILIZATION_DOWN), *periods])
        for events in (self.proposals, self.ups, self.downs):
            events[:] = [event for event in events if now - event[0] <= longest]


@dataclass(frozen=True)
class Limited:
    """The number to scale to, and what held it (a reason of the ScalingLimited condition, "" for nothing)."""

    replicas: int
    reason: str = ""
    stabilized: str = ""  # "ScaleUpStabilized", "ScaleDownStabilized" or ""


def rules(behavior: Behavior) -> tuple[ScalingRules, ScalingRules]:
    return behavior.scaleUp or UP, behavior.scaleDown or DOWN


def window(found: ScalingRules, default: int) -> int:
    return default if found.stabilizationWindowSeconds is None else found.stabilizationWindowSeconds


def limit(
    behavior: Behavior, least: int, most: int, current: int, proposed: int, history: History, now: float
) -> Limited:
    """Where to go from `current`, on the way to `proposed`. The proposal is remembered."""
    up, down = rules(behavior)
    history.proposals.append((now, proposed))
    history.trim(now, behavior)
    windows = window(up, 0), window(down, STABILIZATION_DOWN)
    wanted, stabilized = _stabilize(current, proposed, history.proposals, *windows, now)
    if wanted > current:
        rate = max(_up_limit(up, current, history, now), current)
        top = min(most, rate)
        if wanted > top:
            return Limited(top, "TooManyReplicas" if most < rate else "ScaleUpLimit", stabilized)
    elif wanted < current:
        rate = min(_down_limit(down, current, history, now), current)
        bottom = max(least, rate)
        if wanted < bottom:
            return Limited(bottom, "TooFewReplicas" if least > rate else "ScaleDownLimit", stabilized)
    if wanted > most:
        return Limited(most, "TooManyReplicas", stabilized)
    if wanted < least:
        return Limited(least, "TooFewReplicas", stabilized)
    return Limited(wanted, "", stabilized)


def _stabilize(
    current: int, proposed: int, proposals: Sequence[tuple[float, int]], up: int, down: int, now: float
) -> tuple[int, str]:
    """Up no further than the least of late, down no further than the most of late."""
    lowest = min([proposed, *(n for at, n in proposals if now - at <= up)])
    highest = max([proposed, *(n for at, n in proposals if now - at <= down)])
    found = current
    if found < lowest:
        found = lowest
    if found > highest:
        found = highest
    if proposed > found:
        return found, "ScaleUpStabilized"
    return found, "ScaleDownStabilized" if proposed < found else ""


def _up_limit(found: ScalingRules, current: int, history: History, now: float) -> int:
    if found.selectPolicy == "Disabled":
        return current
    limits = []
    for policy in found.policies:
        before = current - _sum(history.ups, policy, now) + _sum(history.downs, policy, now)
        limits.append(
            before + policy.value if policy.type == "Pods" else math.ceil(before * (1 + policy.value / 100))
        )  # fmt: skip
    return min(limits) if found.selectPolicy == "Min" else max(limits)


def _down_limit(found: ScalingRules, current: int, history: History, now: float) -> int:
    if found.selectPolicy == "Disabled":
        return current
    limits = []
    for policy in found.policies:
        before = current - _sum(history.ups, policy, now) + _sum(history.downs, policy, now)
        limits.append(before - policy.value if policy.type == "Pods" else int(before * (1 - policy.value / 100)))
    return max(limits) if found.selectPolicy == "Min" else min(limits)


def _sum(events: Sequence[tuple[float, int]], policy: ScalingPolicy, now: float) -> int:
    return sum(change for at, change in events if now - at < policy.periodSeconds)
