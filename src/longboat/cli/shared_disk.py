"""When a node of a local cluster runs short: it shares the machine's disk with everything else."""

from __future__ import annotations

import shutil
from pathlib import Path

from longboat.node.eviction.defaults import DEFAULT_HARD

DISK = ("nodefs.available", "imagefs.available")
ENOUGH = 1 << 30  # bytes of disk that do for a local cluster


def thresholds(place: Path) -> str:
    """What must be left where a cluster shares its machine's disk with everything else: a tenth of a large disk is no
    shortage. `place` need not be there yet."""
    here = next(each for each in (place, *place.parents) if each.exists())
    kept = dict(DEFAULT_HARD)
    if shutil.disk_usage(here).total > 10 * ENOUGH:
        kept |= dict.fromkeys(DISK, "1Gi")
    return ",".join(f"{signal}<{value}" for signal, value in kept.items())
