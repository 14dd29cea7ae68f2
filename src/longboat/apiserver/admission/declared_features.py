"""NodeDeclaredFeatureValidator: a bound pod is not changed to what its node has not said it can do (KEP-5328)."""

from __future__ import annotations

from collections.abc import Iterator

from longboat.api import kinds
from longboat.api.qos import GUARANTEED
from longboat.apiserver.admission.chain import Lookup, Plugin
from longboat.machinery import quantity
from longboat.machinery.errors import forbidden
from longboat.machinery.objects import Object, dig, meta
from longboat.registry.admission import Attributes, Target

# What a change of a pod may ask for (component-helpers, nodedeclaredfeatures).
GUARANTEED_CPU, POD_LEVEL = "GuaranteedQoSPodCPUResize", "InPlacePodLevelResourcesVerticalScaling"


class NodeDeclaredFeatureValidator(Plugin):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def handles(self, target: Target) -> bool:
        return target.kind == kinds.POD and target.operation == "UPDATE" and target.subresource in ("", "resize")

    def validate(self, attributes: Attributes) -> None:
        new, old = attributes.obj, attributes.old
        assert new is not None and old is not None
        name = dig(new, "spec", "nodeName", default="")
        if not name or meta(new).get("generation") == meta(old).get("generation"):
            return
        needed = list(needs(old, new))
        if not needed:
            return
        node = self._lookup(kinds.NODE, "", name)
        if node is None:
            raise forbidden(kinds.POD, attributes.name, f'node "{name}" not found')
        declared = dig(node, "status", "declaredFeatures", default=()) or ()
        if lacking := [feature for feature in needed if feature not in declared]:
            why = f'pod update requires features {", ".join(lacking)} which are not available on node "{name}"'
            raise forbidden(kinds.POD, attributes.name, why)


def needs(old: Object, new: Object) -> Iterator[str]:
    """What the change needs of the node, by name."""
    if dig(old, "status", "qosClass") == GUARANTEED and _cpu(old) != _cpu(new):
        yield GUARANTEED_CPU
    if _amounts(dig(old, "spec", "resources")) != _amounts(dig(new, "spec", "resources")):
        yield POD_LEVEL


def _cpu(pod: Object) -> list[quantity.Quantity]:
    """What each container asks for; containers of a bound pod stay as many as they are."""
    containers = dig(pod, "spec", "containers", default=())
    return [quantity.parse(str(dig(c, "resources", "requests", "cpu", default="0"))) for c in containers]


def _amounts(resources: Object | None) -> Object | None:
    if resources is None:
        return None
    return {
        side: {name: quantity.parse(str(amount)) for name, amount in (resources.get(side) or {}).items()}
        for side in ("requests", "limits")
    }
