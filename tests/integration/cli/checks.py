"""What `longboat check cis` finds."""

from __future__ import annotations

UNMET = {"1.2.9", "1.2.11"}  # as a cluster comes: docs/cis.md says why


def failing(controls: dict[str, dict[str, str]]) -> dict[str, str]:
    return {number: control["reason"] for number, control in controls.items() if control["state"] == "FAIL"}
