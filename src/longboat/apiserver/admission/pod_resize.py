"""PodResizeValidator: a pod is not resized to more than its node could ever give it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from longboat.api import kinds
from longboat.api.resources import Amounts, ResourceContainer, Resources, amounts, requests
from longboat.api.view import Part
from longboat.apiserver.admission.chain import Lookup, Plugin
from longboat.machinery.errors import StatusError, forbidden
from longboat.machinery.objects import Object, dig, meta
from longboat.registry.admission import Attributes, Target

OS = "kubernetes.io/os"


class _Spec(Part):
    containers: list[ResourceContainer] = []
    initContainers: list[ResourceContainer] = []
    overhead: dict[str, str] = {}
    resources: Resources | None = None


class PodResizeValidator(Plugin):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def handles(self, target: Target) -> bool:
        return (target.kind, target.operation, target.subresource) == (kinds.POD, "UPDATE", "resize")

    def validate(self, attributes: Attributes) -> None:
        new, old = attributes.obj, attributes.old
        assert new is not None and old is not None
        name = dig(new, "spec", "nodeName", default="")
        if not name or meta(new).get("generation") == meta(old).get("generation"):
            return
        node = self._lookup(kinds.NODE, "", name)
        if node is None:
            raise forbidden(kinds.POD, attributes.name, f'node "{name}" not found')
        system = (meta(node).get("labels") or {}).get(OS, "linux")
        if system != "linux":
            why = f'pod resize is only supported on linux nodes, node "{name}" is "{system}"'
            raise _refusal(attributes, why, "UnsupportedPlatform")
        offers = amounts(dig(node, "status", "allocatable", default={}))
        if lacking := list(_lacking(asked(new), offers)):
            why = f"node didn't have enough allocatable resources: {'; '.join(lacking)}"
            raise _refusal(attributes, why, "NodeCapacity")


def asked(pod: Object) -> Amounts:
    """All that a pod asks of its node."""
    spec = msgspec.convert(pod.get("spec") or {}, _Spec)
    return requests(spec.containers, spec.initContainers, spec.overhead, spec.resources)


def _lacking(asks: Amounts, offers: Amounts) -> Iterator[str]:
    for name in ("cpu", "memory"):
        if asks.get(name, 0) > offers.get(name, 0):
            yield f"{name}, requested: {asks.get(name, 0)}, allocatable: {offers.get(name, 0)}"


def _refusal(attributes: Attributes, why: str, cause: str) -> StatusError:
    error = forbidden(kinds.POD, attributes.name, why)
    error.details["causes"] = [{"reason": cause}]
    return error
