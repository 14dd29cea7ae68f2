"""Plays scenarios: against the recorded answers, or against the answers of a second server."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle.audit import AuditLog
from oracle.corpus import Scenario, Step
from oracle.stage import Outcome, Stage
from oracle.values import Difference, differences
from oracle.webhook import Webhooks

COMPARED = ("status", "warnings", "answer", "effect", "answer_headers", "reviews", "audit")
# A step all of whose differences are these differs in wording only.
WORDING = re.compile(r"\.message$|^warnings\[\d+\]$")
PATIENCE = 60.0  # seconds at most for a step with `retry`
AGAIN = 0.2  # seconds between tries


@dataclass(frozen=True)
class Played:
    """A step that was compared."""

    scenario: Scenario
    number: int
    step: Step
    differences: list[Difference]

    @property
    def name(self) -> str:
        return f"{self.scenario.name}:{self.number}"

    @property
    def what(self) -> str:
        return f"{self.step.get('method', 'join')} {self.step.get('path', self.step.get('join'))}"


@dataclass(frozen=True)
class Server:
    """Where a scenario is played, and what is shared by all that are played there."""

    kubeconfig: Path
    webhooks: Webhooks
    audit: AuditLog | None = None

    def stage(self, scenario: Scenario) -> Stage:
        return Stage(scenario.name, self.kubeconfig, self.webhooks, self.audit)


def against_recording(scenario: Scenario, server: Server) -> list[Played]:
    """What differs from the recorded answers, for each step that has one."""

    def judge(step: Step, outcomes: list[Outcome]) -> list[Difference]:
        return compare(step, outcomes[0], audit=server.audit is not None)

    return _play(scenario, [server], judge)


def against_each_other(scenario: Scenario, one: Server, other: Server) -> list[Played]:
    """What the second server answers otherwise than the first; what was recorded is not looked at."""

    def judge(step: Step, outcomes: list[Outcome]) -> list[Difference]:
        first = {**outcomes[0], **({"reviews_vary": True} if step.get("reviews_vary") else {})}
        return compare(first, outcomes[1], audit=one.audit is not None and other.audit is not None)

    return _play(scenario, [one, other], judge)


def side_by_side(
    scenarios: Iterable[Scenario], play: Callable[[Scenario], list[Played]], jobs: int = 4
) -> Iterator[list[Played]]:
    """Each scenario's outcome, in the order given; `jobs` of them are played at a time."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(play, scenarios)


def _play(
    scenario: Scenario, servers: list[Server], judge: Callable[[Step, list[Outcome]], list[Difference]]
) -> list[Played]:
    stages = [server.stage(scenario) for server in servers]
    played, patience = [], PATIENCE
    try:
        for number, step in scenario.steps():
            found = _settled(stages, step, judge, patience)
            if found and step.get("retry"):
                patience = 1.0  # a server that lacks the feature is not waited for again
            if _has_outcome(step) and not step.get("setup"):
                played.append(Played(scenario, number, step, found))
    finally:
        for stage in stages:
            stage.close()
    return played


def _has_outcome(step: Step) -> bool:
    return "join" in step or ("method" in step and "background" not in step)


def _settled(
    stages: list[Stage], step: Step, judge: Callable[[Step, list[Outcome]], list[Difference]], patience: float
) -> list[Difference]:
    """The differences of a step, which is asked again while it has some and `retry` allows."""
    deadline = time.monotonic() + min(step.get("retry", 0), patience)
    while True:
        before = [stage.names.copy() for stage in stages]
        try:
            outcomes = [stage.run(step) for stage in stages]
            found = judge(step, outcomes) if _has_outcome(step) and not step.get("setup") else []
        except Exception as error:  # a step that cannot even be sent is a difference, not the end of the run
            found = [Difference("$player", "", f"{type(error).__name__}: {error}")]
        if not found or time.monotonic() >= deadline:
            return found
        for stage, names in zip(stages, before, strict=True):
            stage.names = names
        time.sleep(AGAIN)


def compare(expected: Step, got: Outcome, *, audit: bool) -> list[Difference]:
    """The differences between a step with its outcome, or its alternative that fits best, and another outcome."""
    return min((_compare(one, got, audit) for one in [expected, *expected.get("or", [])]), key=len)


def _compare(expected: Step, got: Outcome, audit: bool) -> list[Difference]:
    found: list[Difference] = []
    for name in COMPARED:
        if (name == "audit" and not audit) or (name == "reviews" and expected.get("reviews_vary")):
            continue
        left, right = expected.get(name), got.get(name)
        if name in ("warnings", "reviews"):
            left, right = left or [], right or []
        if name == "answer":
            left, right = _in_order(left), _in_order(right)
        found += [
            Difference(name + ("" if path == "." else path), one, other)
            for path, one, other in differences(left, right)
        ]
    return found


def _in_order(answer: Any) -> Any:
    """An Invalid status with its causes sorted: upstream draws those of custom objects out of a map, in any order."""
    if not isinstance(answer, dict) or answer.get("reason") != "Invalid" or not isinstance(answer.get("details"), dict):
        return answer
    causes = answer["details"].get("causes") or []
    in_order = sorted(causes, key=lambda cause: json.dumps(cause, sort_keys=True))
    message = answer.get("message", "")
    if causes:
        message = message.replace(f"[{_told(causes)}]", f"[{_told(in_order)}]")
    return {**answer, "message": message, "details": {**answer["details"], "causes": in_order}}


def _told(causes: list[dict[str, Any]]) -> str:
    return ", ".join(f"{cause.get('field')}: {cause.get('message')}" for cause in causes)
