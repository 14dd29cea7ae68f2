"""What the disruption controllers see of budgets, and of who keeps up pods."""

from __future__ import annotations

from typing import Any, ClassVar

from longboat.api import kinds
from longboat.api.view import Part, View
from longboat.api.workloads import Condition
from longboat.machinery.kinds import Kind


class BudgetSpec(Part):
    selector: dict[str, Any] | None = None
    minAvailable: int | str | None = None
    maxUnavailable: int | str | None = None


class BudgetStatus(Part):
    observedGeneration: int = 0
    disruptedPods: dict[str, str] = {}  # pods that may go, by name, and since when
    disruptionsAllowed: int = 0
    currentHealthy: int = 0
    desiredHealthy: int = 0
    expectedPods: int = 0
    conditions: list[Condition] = []


class Budget(View):
    KIND: ClassVar[Kind] = kinds.POD_DISRUPTION_BUDGET

    spec: BudgetSpec = BudgetSpec()
    status: BudgetStatus = BudgetStatus()


class Replicas(Part):
    replicas: int = 1


class Deployment(View):
    KIND: ClassVar[Kind] = kinds.DEPLOYMENT

    spec: Replicas = Replicas()


class StatefulSet(View):
    KIND: ClassVar[Kind] = kinds.STATEFUL_SET

    spec: Replicas = Replicas()
