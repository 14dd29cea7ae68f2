"""Whom a node takes that runs short."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.node.eviction.admit import refusal
from unit.node.build import container, pod

ASKING = container("c", "x", resources={"requests": {"memory": "1Mi"}})
TOLERANT = [{"key": "node.kubernetes.io/memory-pressure", "operator": "Exists", "effect": "NoSchedule"}]
OTHERWISE = [{"key": "node.kubernetes.io/disk-pressure", "operator": "Exists", "effect": "NoSchedule"}]


@pytest.mark.parametrize(
    ("conditions", "containers", "spec", "refused"),
    [
        ((), [], {}, ""),
        (("MemoryPressure",), [], {}, "[MemoryPressure]"),
        (("MemoryPressure",), [ASKING], {}, ""),
        (("MemoryPressure",), [], {"tolerations": TOLERANT}, ""),
        (("MemoryPressure",), [], {"tolerations": OTHERWISE}, "[MemoryPressure]"),
        (("DiskPressure",), [ASKING], {"tolerations": OTHERWISE}, "[DiskPressure]"),
        (("PIDPressure",), [ASKING], {}, "[PIDPressure]"),
        (("MemoryPressure", "DiskPressure"), [ASKING], {"tolerations": TOLERANT}, "[DiskPressure MemoryPressure]"),
        (("DiskPressure",), [], {"priority": 2_000_001_000}, ""),
        (("DiskPressure",), [], {"status": {"startTime": "2026-01-01T00:00:00Z"}}, ""),
    ],
)
def test_who_is_refused(conditions: tuple[str, ...], containers: list[Any], spec: dict[str, Any], refused: str) -> None:
    found = refusal(pod("p", *containers, **spec), conditions)
    if not refused:
        assert found is None
        return
    assert found is not None
    assert (found.reason, found.message) == ("Evicted", f"The node had condition: {refused}. ")
