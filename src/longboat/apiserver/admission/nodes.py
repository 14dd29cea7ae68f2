"""TaintNodesByCondition: a new node takes no pods until it has been seen to be ready."""

from __future__ import annotations

from longboat.api import kinds
from longboat.api.taints import NO_SCHEDULE, NOT_READY
from longboat.apiserver.admission.chain import Plugin
from longboat.machinery.objects import Object
from longboat.registry.admission import Attributes

TAINT = {"key": NOT_READY, "effect": NO_SCHEDULE}


class TaintNodesByCondition(Plugin):
    def handles(self, attributes: Attributes) -> bool:
        return attributes.kind == kinds.NODE and attributes.operation == "CREATE" and not attributes.subresource

    def mutate(self, attributes: Attributes) -> None:
        assert attributes.obj is not None
        spec: Object = attributes.obj.setdefault("spec", {})
        taints: list[Object] = spec.get("taints") or []
        if not any(taint.get("key") == NOT_READY and taint.get("effect") == NO_SCHEDULE for taint in taints):
            spec["taints"] = [*taints, dict(TAINT)]
