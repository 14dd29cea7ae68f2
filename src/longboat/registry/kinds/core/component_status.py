"""ComponentStatus: the health of the control plane, as old clients ask for it."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.objects import Object
from longboat.machinery.table import AGE, Column
from longboat.registry.strategy import Strategy


def _healthy(found: Object) -> Object:
    return next((c for c in found.get("conditions") or () if c.get("type") == "Healthy"), {})


def _status(found: Object) -> str:
    condition = _healthy(found)
    if not condition:
        return "Unknown"
    return "Healthy" if condition.get("status") == "True" else "Unhealthy"


class ComponentStatus(Strategy):
    kind = kinds.COMPONENT_STATUS
    columns = (
        Column("Status", str, _status, description="Status of the component conditions"),
        Column("Message", str, lambda found: _healthy(found).get("message") or "",
               description="Message of the component conditions"),
        Column("Error", str, lambda found: _healthy(found).get("error") or "",
               description="Error of the component conditions"),
        AGE,
    )  # fmt: skip
    verbs = ("get", "list")
    generation = False
    deprecated = "v1 ComponentStatus is deprecated in v1.19+"
