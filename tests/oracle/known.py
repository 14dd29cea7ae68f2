"""Differences that are known: `known/AREA.txt` has a line `scenario:step reason` for each.

It is a promise in both directions: a difference that is not listed fails, and so does a listed one that has gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from oracle.player import Played

FOLDER = Path(__file__).parent / "known"
UNEXPLAINED = "unexplained"
HEAD = """\
# Steps of this area that are answered otherwise than recorded, and why. `python -m oracle known` writes this file
# anew and keeps the reasons; docs/oracle.md says how.
"""

Reasons = dict[str, str]  # by step, `scenario:line`


def read(area: str, folder: Path = FOLDER) -> Reasons:
    """Raises ValueError for a line without a reason, and for a step that is named twice."""
    file = folder / f"{area}.txt"
    found: Reasons = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        if not line or line.startswith("#"):
            continue
        step, _, reason = line.partition(" ")
        if not reason.strip() or step in found:
            raise ValueError(f"{file}: {line!r} has no reason, or its step is named twice")
        found[step] = reason.strip()
    return found


def write(area: str, reasons: Reasons, folder: Path = FOLDER) -> Path:
    file = folder / f"{area}.txt"
    lines = [f"{step} {reason}\n" for step, reason in sorted(reasons.items(), key=lambda item: _place(item[0]))]
    folder.mkdir(exist_ok=True)
    file.write_text(HEAD + "".join(lines))
    return file


def _place(step: str) -> tuple[str, int]:
    scenario, _, line = step.rpartition(":")
    return scenario, int(line)


def renewed(known: Reasons, played: Iterable[Played], reason: str = UNEXPLAINED) -> Reasons:
    """The reasons as the file is to have them after a run; steps of scenarios that were not played stay as they are."""
    steps = list(played)
    seen = {step.scenario.name for step in steps}
    kept = {step: why for step, why in known.items() if step.rpartition(":")[0] not in seen}
    return kept | {step.name: known.get(step.name, reason) for step in steps if step.differences}


def surprises(known: Reasons, played: Iterable[Played]) -> list[tuple[Played, str]]:
    """What was played and is not as the file says: a difference that it lacks, or one that has gone."""
    found = []
    for step in played:
        if step.differences and step.name not in known:
            found.append((step, "differs"))
        elif not step.differences and step.name in known:
            found.append((step, "known to differ, but equal now: take it off the list"))
    return found
