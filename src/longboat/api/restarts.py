"""Whether a container that has ended is started again: its own policy and rules, or its pod's (KEP-5307). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from longboat.api.view import Part

ALWAYS, ON_FAILURE, NEVER = "Always", "OnFailure", "Never"
RESTART, RESTART_ALL = "Restart", "RestartAllContainers"


class ExitCodes(Part):
    operator: str = ""  # In NotIn
    values: list[int] = []


class RestartRule(Part):
    action: str = ""
    exitCodes: ExitCodes | None = None


def action(rules: Sequence[RestartRule], code: int) -> str:
    """What the first rule that is about this exit code asks for; "" where none is."""
    for rule in rules:
        if rule.exitCodes is not None and (code in rule.exitCodes.values) == (rule.exitCodes.operator == "In"):
            return rule.action
    return ""


def again(policy: str, rules: Sequence[RestartRule], code: int) -> bool:
    """Whether a container with this policy (its own, else its pod's) runs again after it has ended so."""
    return bool(action(rules, code)) or policy == ALWAYS or (policy == ON_FAILURE and code != 0)
