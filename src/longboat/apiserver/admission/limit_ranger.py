"""LimitRanger: containers get a namespace's defaults, and nothing asks for less or more than it allows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from longboat.api import amounts, kinds
from longboat.apiserver.admission import limits
from longboat.apiserver.admission.chain import Plugin
from longboat.machinery.errors import forbidden
from longboat.machinery.objects import Object, dig, meta
from longboat.registry.admission import Attributes, Target

ANNOTATION = "kubernetes.io/limit-ranger"


class LimitRanger(Plugin):
    """`ranges` gives the LimitRanges of a namespace."""

    def __init__(self, ranges: Callable[[str], list[Object]]) -> None:
        self._ranges = ranges

    def handles(self, target: Target) -> bool:
        if target.kind == kinds.POD:  # what a pod asks for never changes but by resizing
            return (target.operation, target.subresource) in (("CREATE", ""), ("UPDATE", "resize"))
        writes = target.operation in ("CREATE", "UPDATE") and not target.subresource
        return writes and target.kind == kinds.PERSISTENT_VOLUME_CLAIM

    def mutate(self, attributes: Attributes) -> None:
        if attributes.kind != kinds.POD or attributes.operation != "CREATE":
            return
        assert attributes.obj is not None
        for limit_range in self._ranges(attributes.namespace):
            fill_in(attributes.obj, limit_range)

    def validate(self, attributes: Attributes) -> None:
        assert attributes.obj is not None
        check = pod_problems if attributes.kind == kinds.POD else claim_problems
        for limit_range in self._ranges(attributes.namespace):
            if found := list(check(attributes.obj, limit_range)):
                why = found[0] if len(found) == 1 else f"[{', '.join(dict.fromkeys(found))}]"
                raise forbidden(attributes.kind, attributes.name, why)


def fill_in(pod: Object, limit_range: Object) -> None:
    """Give containers the default requests and limits they lack, and note what was given."""
    requests: dict[str, str] = {}
    most: dict[str, str] = {}
    for item in _items(limit_range, "Container"):
        requests |= item.get("defaultRequest") or {}
        most |= item.get("default") or {}
    notes: list[str] = []
    for field, kind in (("containers", "container"), ("initContainers", "init container")):
        for container in dig(pod, "spec", field, default=()):
            for what, defaults in (("requests", requests), ("limits", most)):
                if added := _add(container, what, defaults):
                    notes.append(f"{', '.join(added)} {what[:-1]} for {kind} {container.get('name') or ''}")
    if notes:
        annotations = meta(pod).get("annotations") or {}
        pod["metadata"]["annotations"] = {**annotations, ANNOTATION: f"LimitRanger plugin set: {'; '.join(notes)}"}


def _add(container: Object, field: str, defaults: Mapping[str, str]) -> list[str]:
    """The resources that were added, in order."""
    has = dig(container, "resources", field, default={})
    added = sorted(defaults.keys() - has.keys())
    if added:
        resources = container.get("resources") or {}
        container["resources"] = {**resources, field: {**has, **{name: defaults[name] for name in added}}}
    return added


def pod_problems(pod: Object, limit_range: Object) -> Iterable[str]:
    spec = pod.get("spec") or {}
    for item in dig(limit_range, "spec", "limits", default=()):
        if item.get("type") == "Container":
            for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
                resources = container.get("resources") or {}
                yield from limits.problems(
                    item, amounts.amounts(resources.get("requests")), amounts.amounts(resources.get("limits"))
                )
        elif item.get("type") == "Pod":
            yield from limits.problems(item, amounts.of_pod(spec, "requests"), amounts.of_pod(spec, "limits"))


def claim_problems(claim: Object, limit_range: Object) -> Iterable[str]:
    asked = amounts.amounts(dig(claim, "spec", "resources", "requests"))
    for item in _items(limit_range, "PersistentVolumeClaim"):
        yield from limits.too_little(item, asked, {})
        yield from limits.asked_too_much(item, asked)


def _items(limit_range: Object, kind: str) -> list[Object]:
    return [item for item in dig(limit_range, "spec", "limits", default=()) if item.get("type") == kind]
