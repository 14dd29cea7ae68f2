"""Prints what was played: each difference, and sums by area."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from oracle.player import WORDING, Played
from oracle.values import short

COLUMNS = ("scenarios", "scenarios equal", "steps", "steps equal", "but wording", "status equal")


def told(step: Played, most: int = 4, names: tuple[str, str] = ("recorded", "now")) -> str:
    """A step and its first differences, a line each side."""
    lines = [f"{step.scenario.area}/{step.name}: {step.what}  # {step.step.get('note', '')}"]
    for path, expected, got in step.differences[:most]:
        lines += [f"    {path}: {names[0]} {short(expected)}", f"        {names[1]} {short(got)}"]
    if len(step.differences) > most:
        lines.append(f"    and {len(step.differences) - most} more")
    return "\n".join(lines)


class Sums:
    """Counts by area, as a table; `but wording`: only texts of messages and warnings differ."""

    def __init__(self) -> None:
        self._areas: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, steps: Sequence[Played]) -> None:
        """What came of one scenario, which has steps."""
        area = self._areas[steps[0].scenario.area]
        area["scenarios"] += 1
        area["scenarios equal"] += not any(step.differences for step in steps)
        for step in steps:
            area["steps"] += 1
            area["steps equal"] += not step.differences
            area["but wording"] += all(WORDING.search(each.path) for each in step.differences)
            area["status equal"] += not any(each.path == "status" for each in step.differences)

    def table(self) -> str:
        rows = [(name, *(str(area[column]) for column in COLUMNS)) for name, area in sorted(self._areas.items())]
        lines = [("area", *COLUMNS), *rows]
        return "\n".join(f"{name:14}" + "".join(f"{cell:>17}" for cell in cells) for name, *cells in lines)
