"""FlowSchema and PriorityLevelConfiguration: which requests wait, and behind whom."""

from __future__ import annotations

from typing import Any

from longboat.api import kinds
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, fill
from longboat.registry.strategy import Strategy
from longboat.registry.write import Write

QUEUES = {"queues": 64, "handSize": 8, "queueLengthLimit": 50}


def _missing(schema: Object) -> str:
    conditions = dig(schema, "status", "conditions", default=())
    return next((c.get("status") or "?" for c in conditions if c.get("type") == "Dangling"), "?")


class FlowSchema(Strategy):
    kind = kinds.FLOW_SCHEMA
    columns = (
        Column("PriorityLevel", str, cells.at("spec.priorityLevelConfiguration.name"), description="Where they wait."),
        Column("MatchingPrecedence", int, cells.at("spec.matchingPrecedence", 0),
               description="Lower ones match first."),
        Column("DistinguisherMethod", str, cells.at("spec.distinguisherMethod.type", cells.NONE),
               description="What makes requests one flow."),
        AGE,
        Column("MissingPL", str, _missing, description="Whether the priority level is missing."),
    )  # fmt: skip
    has_status = True

    def default(self, obj: Object) -> None:
        fill.empty(fill.part(obj, "spec"), "matchingPrecedence", 1000)

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {}


def _queuing(field: str) -> Any:
    return cells.at(f"spec.limited.limitResponse.queuing.{field}", cells.NONE)


class PriorityLevelConfiguration(Strategy):
    kind = kinds.PRIORITY_LEVEL_CONFIGURATION
    columns = (
        Column("Type", str, cells.at("spec.type"), description="Limited or Exempt."),
        Column("NominalConcurrencyShares", str,
               lambda level: dig(level, "spec", "limited", "nominalConcurrencyShares", default=cells.NONE),
               description="Its share of what runs at once."),
        Column("Queues", str, _queuing("queues"), description="How many queues."),
        Column("HandSize", str, _queuing("handSize"), description="How many of them a flow may use."),
        Column("QueueLengthLimit", str, _queuing("queueLengthLimit"), description="How long each may get."),
        AGE,
    )  # fmt: skip
    has_status = True

    def default(self, obj: Object) -> None:
        spec = fill.part(obj, "spec")
        if (limited := spec.get("limited")) is not None:
            fill.absent(limited, "nominalConcurrencyShares", 30)
            fill.absent(limited, "lendablePercent", 0)
            response = limited.get("limitResponse") or {}
            if (queuing := response.get("queuing")) is not None:
                for field, value in QUEUES.items():
                    fill.empty(queuing, field, value)
        if (exempt := spec.get("exempt")) is not None:
            fill.absent(exempt, "nominalConcurrencyShares", 0)
            fill.absent(exempt, "lendablePercent", 0)

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {}
