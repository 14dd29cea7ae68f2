"""What a RuntimeClass brings to its pods: overhead, and the nodes they may run on (KEP-585, KEP-688)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import NoReturn

from longboat.api import kinds
from longboat.apiserver.admission.chain import Lookup, Plugin, Seek
from longboat.apiserver.admission.tolerations import merged
from longboat.machinery import quantity
from longboat.machinery.errors import forbidden
from longboat.machinery.objects import Object, dig
from longboat.registry.admission import Attributes, Target

MISMATCH = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
UNFOUNDED = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"


class RuntimeClass(Plugin):
    """A pod's class must exist; its overhead is the class's, and its placement both its own and the class's."""

    def __init__(self, lookup: Lookup, seek: Seek) -> None:
        self._lookup = lookup
        self._seek = seek

    def handles(self, target: Target) -> bool:
        return target.kind == kinds.POD and target.operation == "CREATE" and not target.subresource

    def mutate(self, attributes: Attributes) -> Awaitable[None] | None:
        assert attributes.obj is not None
        spec = attributes.obj.setdefault("spec", {})
        found = self._class_of(spec)
        if found is None:
            return self._look_again(attributes, spec)
        self._bring(attributes, spec, found)
        return None

    async def _look_again(self, attributes: Attributes, spec: Object) -> None:
        name = spec["runtimeClassName"]
        found = await self._seek(kinds.RUNTIME_CLASS, "", name)
        if found is None:
            _reject(attributes, f'pod rejected: RuntimeClass "{name}" not found')
        self._bring(attributes, spec, found)

    def _bring(self, attributes: Attributes, spec: Object, found: Object) -> None:
        if overhead := _overhead(found):
            if spec.get("overhead") and not _same(spec["overhead"], overhead):
                _reject(attributes, MISMATCH)
            spec["overhead"] = overhead
        self._place(attributes, spec, dig(found, "scheduling", default={}) or {})

    def _place(self, attributes: Attributes, spec: Object, wanted: Object) -> None:
        own: dict[str, str] = spec.get("nodeSelector") or {}
        selector: dict[str, str] = wanted.get("nodeSelector") or {}
        for key, value in selector.items():
            if own.get(key, value) != value:
                where = f"runtimeClass.scheduling.nodeSelector[{key}] = {value}"
                _reject(attributes, f"conflict: {where}; pod.spec.nodeSelector[{key}] = {own[key]}")
        if selector:
            spec["nodeSelector"] = {**own, **selector}
        if tolerations := wanted.get("tolerations"):
            spec["tolerations"] = merged(spec.get("tolerations") or [], tolerations)

    def validate(self, attributes: Attributes) -> None:
        assert attributes.obj is not None
        spec = attributes.obj.get("spec") or {}
        found = self._class_of(spec)
        if found is None:
            _reject(attributes, f'pod rejected: RuntimeClass "{spec["runtimeClassName"]}" not found')
        own, theirs = spec.get("overhead") or {}, _overhead(found)
        if own and not theirs:
            _reject(attributes, UNFOUNDED)
        if own and not _same(own, theirs):
            _reject(attributes, MISMATCH)

    def _class_of(self, spec: Object) -> Object | None:
        """Empty for a pod of no class; None for one whose class is not there."""
        name = spec.get("runtimeClassName")
        return {} if name is None else self._lookup(kinds.RUNTIME_CLASS, "", name)


def _overhead(runtime_class: Object) -> dict[str, str]:
    found: dict[str, str] = dig(runtime_class, "overhead", "podFixed", default={}) or {}
    return found


def _same(one: dict[str, str], other: dict[str, str]) -> bool:
    return {k: quantity.parse(str(v)) for k, v in one.items()} == {k: quantity.parse(str(v)) for k, v in other.items()}


def _reject(attributes: Attributes, why: str) -> NoReturn:
    raise forbidden(kinds.POD, attributes.name, why)
