"""What a look at a cluster finds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

PASS, FAIL, MANUAL, NOT_APPLICABLE = "PASS", "FAIL", "MANUAL", "NOT APPLICABLE"
STATES = (PASS, FAIL, MANUAL, NOT_APPLICABLE)
SHOWN = 5  # of a list of offenders


@dataclass(frozen=True)
class Finding:
    state: str
    reason: str


def passed(reason: str) -> Finding:
    return Finding(PASS, reason)


def failed(reason: str) -> Finding:
    return Finding(FAIL, reason)


def manual(reason: str) -> Finding:
    return Finding(MANUAL, reason)


def not_applicable(reason: str) -> Finding:
    return Finding(NOT_APPLICABLE, reason)


def judged(holds: bool, good: str, bad: str) -> Finding:
    return passed(good) if holds else failed(bad)


def all_of(*findings: Finding) -> Finding:
    """The worst of several, with every reason that bears on it."""
    for state in (FAIL, MANUAL, PASS, NOT_APPLICABLE):
        if reasons := [finding.reason for finding in findings if finding.state == state]:
            return Finding(state, "; ".join(dict.fromkeys(reasons)))
    return not_applicable("there is nothing to look at")


def none_of(found: Iterable[str], good: str, what: str) -> Finding:
    """For a person to judge, where there are any: `what` they are."""
    offenders = list(dict.fromkeys(found))
    if not offenders:
        return passed(good)
    more = f" and {len(offenders) - SHOWN} more" if len(offenders) > SHOWN else ""
    return manual(f"{what}: {', '.join(offenders[:SHOWN])}{more}")
