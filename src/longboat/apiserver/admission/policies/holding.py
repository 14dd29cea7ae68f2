"""Whether a policy's match conditions hold for a request, and how long it took to find out."""

from __future__ import annotations

from longboat.aio.clock import Clock
from longboat.apiserver.admission.evaluation import CONDITIONS_BUDGET, Purse, Run, met
from longboat.apiserver.admission.outcome import Outcome
from longboat.apiserver.admission.policies.both import Both
from longboat.apiserver.admission.policies.compiled import Compiled
from longboat.apiserver.admission.policies.seen import Request
from longboat.apiserver.admission.policies.source import Policy
from longboat.apiserver.admission.turns import Turns
from longboat.machinery.objects import Object


async def holding(
    turns: Turns, policies: Both, clock: Clock, policy: Policy, compiled: Compiled, request: Request,
    params: Object | None,
) -> Outcome | None:  # fmt: skip
    """None where the policy has none."""
    if not compiled.conditions:
        return None

    def work(purse: Purse) -> Outcome:
        run = Run(request.values(params), compiled.variables, purse, CONDITIONS_BUDGET)
        return met(compiled.conditions, run)

    start = clock.monotonic()
    found = await turns.have(work)
    seconds = clock.monotonic() - start
    policies.conditions.evaluated(policy.name, False, turns.operation, seconds, found, "policy")
    return found
