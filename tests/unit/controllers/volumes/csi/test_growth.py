"""How claims grow, as their status tells it (KEP-1790)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from longboat.api.storage import Claim
from longboat.controllers.volumes.csi import growth
from longboat.machinery import quantity
from unit.controllers.volumes.storage_objects import volume

NOW = "2026-01-01T00:00:00Z"


def claim(wanted: str, has: str = "1Gi", phase: str = "Bound", state: str = "", allocated: str = "") -> Claim:
    status: dict[str, Any] = {"phase": phase, "capacity": {"storage": has}}
    if state:
        status["allocatedResourceStatuses"] = {"storage": state}
    if allocated:
        status["allocatedResources"] = {"storage": allocated}
    return msgspec.convert({"spec": {"resources": {"requests": {"storage": wanted}}}, "status": status}, Claim)


GI = {n: quantity.parse(f"{n}Gi") for n in (1, 2, 3)}


@pytest.mark.parametrize(
    ("asks", "has", "expected"),
    [
        (claim("1Gi"), "1Gi", None),
        (claim("2Gi"), "1Gi", growth.Grow(GI[2])),
        (claim("2Gi", phase="Pending"), "1Gi", None),
        (claim("2Gi"), "2Gi", growth.TellNode(GI[2])),
        (claim("2Gi"), "3Gi", growth.TellNode(GI[2])),
        (claim("2Gi", state="NodeResizePending"), "2Gi", None),
        (claim("2Gi", state="NodeResizeInProgress"), "2Gi", None),
        (claim("2Gi", state="NodeResizeInfeasible"), "2Gi", None),
        (claim("3Gi", state="NodeResizePending"), "2Gi", growth.Grow(GI[3])),
        (claim("2Gi", state="ControllerResizeInProgress", allocated="3Gi"), "1Gi", growth.Grow(GI[3])),
        (claim("2Gi", state="ControllerResizeInfeasible", allocated="3Gi"), "1Gi", growth.Grow(GI[2])),
    ],
)
def test_what_is_next(asks: Claim, has: str, expected: Any) -> None:
    assert growth.plan(asks, volume(size=has)) == expected


def kinds(status: Any) -> list[str]:
    return [c["type"] for c in status["conditions"] if "$patch" not in c]


def test_each_state_leaves_only_its_own_conditions() -> None:
    assert kinds(growth.begun(GI[2], NOW)) == ["Resizing"]
    assert kinds(growth.node_next(GI[2], NOW)) == ["FileSystemResizePending"]
    assert kinds(growth.finished(GI[2])) == []
    assert kinds(growth.failed("why", NOW, infeasible=False)) == ["Resizing", "ControllerResizeError"]
    assert kinds(growth.failed("why", NOW, infeasible=True)) == ["ControllerResizeError"]
