"""The class `longboat`, whose Ingresses the nodes serve."""

from __future__ import annotations

from collections.abc import Iterable

from longboat.api import kinds
from longboat.api.ingress import CLASS, CONTROLLER
from longboat.apiserver.admission.ingress import DEFAULT
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object, dig


def ingress_objects(classes: Iterable[Object]) -> list[tuple[Kind, Object]]:
    """What to create where it is absent. It is the default class unless one of `classes` is."""
    taken = any(dig(each, "metadata", "annotations", DEFAULT) == "true" for each in classes)
    metadata: Object = {"name": CLASS, "annotations": {} if taken else {DEFAULT: "true"}}
    return [(kinds.INGRESS_CLASS, {"metadata": metadata, "spec": {"controller": CONTROLLER}})]
