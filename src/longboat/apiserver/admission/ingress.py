"""Admission of Ingresses: the default class."""

from __future__ import annotations

from collections.abc import Callable

from longboat.api import kinds
from longboat.api.ingress import LEGACY_CLASS
from longboat.apiserver.admission.chain import Plugin
from longboat.machinery.objects import Object, dig
from longboat.registry.admission import Attributes, Target

DEFAULT = "ingressclass.kubernetes.io/is-default-class"


class DefaultIngressClass(Plugin):
    """An Ingress that names no class in either way gets the default: of several the one made last."""

    def __init__(self, classes: Callable[[], list[Object]]) -> None:
        self._classes = classes

    def handles(self, target: Target) -> bool:
        creates = target.operation == "CREATE" and not target.subresource
        return creates and target.kind == kinds.INGRESS

    def mutate(self, attributes: Attributes) -> None:
        ingress = attributes.obj
        assert ingress is not None
        if dig(ingress, "spec", "ingressClassName") is not None:
            return
        if dig(ingress, "metadata", "annotations", LEGACY_CLASS) is not None:
            return
        defaults = [c for c in self._classes() if dig(c, "metadata", "annotations", DEFAULT) == "true"]
        by_name = sorted(defaults, key=lambda c: str(c["metadata"]["name"]))
        newest = max(by_name, key=lambda c: str(c["metadata"].get("creationTimestamp") or ""), default=None)
        if newest is not None:
            ingress.setdefault("spec", {})["ingressClassName"] = newest["metadata"]["name"]
