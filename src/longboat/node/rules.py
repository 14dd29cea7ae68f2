"""How a node is kept from filling up and from running short: what the kubelet's flags say of it. Times in seconds."""

from __future__ import annotations

from pathlib import Path

import msgspec

from longboat.node.eviction.defaults import DEFAULT_HARD
from longboat.node.eviction.thresholds import Threshold, thresholds

EVERY = 10.0  # between looks whether anything runs short (kubelet, monitoring interval)


class Eviction(msgspec.Struct, frozen=True, kw_only=True):
    """`max_pod_grace` is what pods get to end at soft thresholds, at the most; negative: their own. `transition` is for
    how long a condition is shown after it has gone."""

    thresholds: tuple[Threshold, ...] = thresholds(DEFAULT_HARD, {}, {}, {})
    max_pod_grace: int = 0
    transition: float = 300.0
    every: float = EVERY


class ImagePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Images go once their disk is `high` percent full, until it is `low`; none that has been there for less than `age`
    (kubelet: imageGCHighThresholdPercent, imageGCLowThresholdPercent, imageMinimumGCAge)."""

    high: int = 85
    low: int = 80
    age: float = 120.0


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """`neighbours` is where nodes of one machine leave notes for each other, if there are any."""

    eviction: Eviction = Eviction()
    images: ImagePolicy = ImagePolicy()
    neighbours: Path | None = None
