"""What upstream's API server answered, `longboat server --only api` answers too, but for the known differences.

`make oracle` plays the other areas as well. docs/oracle.md says how to read and mend what fails here.
"""

from __future__ import annotations

import pytest

from oracle import known
from oracle.corpus import Scenario, scenarios
from oracle.player import Server, against_recording
from oracle.report import told

AREAS = ("validation", "misc", "apply")


@pytest.fixture(scope="module")
def reasons() -> dict[str, known.Reasons]:
    return {area: known.read(area) for area in AREAS}


# The longest first: what is played beside them ends about when they do.
@pytest.mark.parametrize("scenario", sorted(scenarios(AREAS), key=lambda scenario: -len(scenario.text)), ids=str)
def test_it_is_answered_as_recorded(scenario: Scenario, server: Server, reasons: dict[str, known.Reasons]) -> None:
    played = against_recording(scenario, server)
    assert played, "the scenario has no steps that are compared"
    surprises = known.surprises(reasons[scenario.area], played)
    assert not surprises, "\n".join(f"{told(step)}\n    -- {why}" for step, why in surprises[:20])


@pytest.mark.parametrize("area", AREAS)
def test_what_is_known_is_a_step(area: str, reasons: dict[str, known.Reasons]) -> None:
    there = {f"{scenario.name}:{number}" for scenario in scenarios([area]) for number, _ in scenario.steps()}
    assert reasons[area].keys() <= there
