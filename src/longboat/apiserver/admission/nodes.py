"""New nodes: what they may be called, and that they take no pods until they have been seen to be ready."""

from __future__ import annotations

from collections.abc import Collection

from longboat.api import kinds
from longboat.api.taints import NO_SCHEDULE, NOT_READY
from longboat.apiserver.admission.chain import Plugin
from longboat.machinery.errors import forbidden
from longboat.machinery.objects import Object, dig
from longboat.registry.admission import Attributes, Target

TAINT = {"key": NOT_READY, "effect": NO_SCHEDULE}


class _NewNode(Plugin):
    def handles(self, target: Target) -> bool:
        return target.kind == kinds.NODE and target.operation == "CREATE" and not target.subresource


class NodeNames(_NewNode):
    """No node goes by a name that an API server answers to: whoever has the one must not pass for the other."""

    def __init__(self, serving_names: Collection[str]) -> None:
        self._taken = frozenset(name.lower() for name in serving_names)

    def validate(self, attributes: Attributes) -> None:
        name = attributes.name or dig(attributes.obj or {}, "metadata", "name", default="")
        if name in self._taken:
            why = "this is a name of the API server: call the node something else (longboat agent --node-name NAME)"
            raise forbidden(kinds.NODE, name, why)


class TaintNodesByCondition(_NewNode):
    """Upstream's admission plugin of that name."""

    def mutate(self, attributes: Attributes) -> None:
        assert attributes.obj is not None
        spec: Object = attributes.obj.setdefault("spec", {})
        taints: list[Object] = spec.get("taints") or []
        if not any(taint.get("key") == NOT_READY and taint.get("effect") == NO_SCHEDULE for taint in taints):
            spec["taints"] = [*taints, dict(TAINT)]
