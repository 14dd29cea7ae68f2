"""How a node is kept from running short: the kubelet's flags of eviction and image garbage collection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from longboat.cli.errors import Usage
from longboat.node.eviction.thresholds import Threshold, pairs, thresholds
from longboat.node.rules import Eviction, ImagePolicy, Rules

if TYPE_CHECKING:
    from longboat.cli.agent_options import Options


def rules(options: Options) -> Rules:
    """Raises Usage."""
    eviction = Eviction(
        thresholds=_thresholds(options),
        max_pod_grace=options.eviction_max_pod_grace_period,
        transition=options.eviction_pressure_transition_period,
    )
    high, low = options.image_gc_high_threshold, options.image_gc_low_threshold
    if not 0 <= low < high <= 100:
        raise Usage(f"--image-gc-low-threshold ({low}) must be less than --image-gc-high-threshold ({high}), of 100")
    images = ImagePolicy(high=high, low=low, age=options.minimum_image_ttl_duration)
    place = Path(options.neighbours_dir) if options.neighbours_dir else None
    return Rules(eviction=eviction, images=images, neighbours=place)


def checked(hard: list[str]) -> str:
    """Hard thresholds as they are kept. Raises Usage."""
    try:
        thresholds(pairs(hard, "<"), {}, {}, {})
    except ValueError as error:
        raise Usage(f"--eviction-hard: {error}") from error
    return ",".join(hard)


def _thresholds(options: Options) -> tuple[Threshold, ...]:
    given = {
        "--eviction-hard": (options.eviction_hard, "<"),
        "--eviction-soft": (options.eviction_soft, "<"),
        "--eviction-soft-grace-period": (options.eviction_soft_grace_period, "="),
        "--eviction-minimum-reclaim": (options.eviction_minimum_reclaim, "="),
    }
    found = []
    for name, (texts, sign) in given.items():
        try:
            found.append(pairs(texts, sign))
        except ValueError as error:
            raise Usage(f"{name}: {error}") from error
    try:
        return thresholds(*found)
    except ValueError as error:
        raise Usage(f"eviction thresholds: {error}") from error
