"""Two plugins about where pods are: what their labels say of it, and how far apart they may ask to be."""

from __future__ import annotations

from longboat.api import kinds
from longboat.apiserver.admission.chain import Lookup, Plugin
from longboat.machinery.errors import forbidden
from longboat.machinery.objects import Object, dig, meta
from longboat.registry.admission import Attributes, Target

COPIED = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")
HOST = "kubernetes.io/hostname"


class PodTopologyLabels(Plugin):
    """A pod that is bound bears its node's zone and region (KEP-4742); a label it has already stays."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def handles(self, target: Target) -> bool:
        if target.operation != "CREATE" or target.kind not in (kinds.POD, kinds.BINDING):
            return False
        return target.subresource in ("", "binding")

    def mutate(self, attributes: Attributes) -> None:
        obj = attributes.obj
        assert obj is not None
        target = obj.get("target")
        if target is not None:
            name = (target.get("name") or "") if target.get("kind") == "Node" else ""
        else:
            name = dig(obj, "spec", "nodeName", default="")
        node = self._lookup(kinds.NODE, "", name) if name else None
        if node is None:  # a binding to nothing is somebody else's to refuse
            return
        has = node["metadata"].get("labels") or {}
        if copied := {label: has[label] for label in COPIED if label in has}:
            metadata = meta(obj)
            metadata["labels"] = {**copied, **(metadata.get("labels") or {})}


class LimitPodHardAntiAffinityTopology(Plugin):
    """Who may keep others away from whole zones could keep them out of the cluster."""

    def handles(self, target: Target) -> bool:
        writes = target.operation in ("CREATE", "UPDATE") and not target.subresource
        return writes and target.kind == kinds.POD

    def validate(self, attributes: Attributes) -> None:
        terms: list[Object] = dig(
            attributes.obj, "spec", "affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution",
            default=(),
        )  # fmt: skip
        for term in terms or ():
            if (key := term.get("topologyKey") or "") != HOST:
                why = "affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey"
                raise forbidden(kinds.POD, attributes.name, f"{why} {key} but only key {HOST} is allowed")
