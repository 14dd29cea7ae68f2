"""One control of the benchmark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from longboat.cli.cis.evidence import Evidence
from longboat.cli.cis.finding import Finding, manual, not_applicable, passed

Check = Callable[[Evidence], Finding]


@dataclass(frozen=True)
class Control:
    """`title` says in our words what the benchmark asks for, `answer` how Longboat meets it as it comes.

    `remedy` is what to do where the check fails, or what a person should look at.
    """

    number: str
    title: str
    answer: str
    check: Check
    remedy: str = ""


def inherent(reason: str) -> Check:
    """What no setting can change."""
    return lambda evidence: passed(reason)


def absent(reason: str) -> Check:
    return lambda evidence: not_applicable(reason)


def for_people(reason: str) -> Check:
    return lambda evidence: manual(reason)
