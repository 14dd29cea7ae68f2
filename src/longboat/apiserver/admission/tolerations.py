"""What pods tolerate because of where they are (PodTolerationRestriction) and of what they ask for
(ExtendedResourceToleration)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from longboat.api import kinds
from longboat.api.qos import BEST_EFFORT, qos_class
from longboat.api.resources import is_extended
from longboat.api.taints import NO_SCHEDULE
from longboat.apiserver.admission.chain import Lookup, Plugin, Seek
from longboat.apiserver.admission.of_namespace import OfNamespace
from longboat.machinery import configfile
from longboat.machinery.errors import StatusError
from longboat.machinery.fieldpath import Errors
from longboat.machinery.objects import Object
from longboat.machinery.types.shapes import SCALARS, List
from longboat.registry.admission import Attributes, Target

DEFAULTS = "scheduler.alpha.kubernetes.io/defaultTolerations"
LISTED = "scheduler.alpha.kubernetes.io/tolerationsWhitelist"
MEMORY_PRESSURE = "node.kubernetes.io/memory-pressure"
NOT_LISTED = (
    "pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist"
)
MOST_MERGED = 500  # tolerations that are compared with each other

KIND, VERSIONS = "Configuration", ("podtolerationrestriction.admission.k8s.io/v1alpha1",)
_TOLERATIONS = List(
    configfile.struct(
        "io.k8s.api.core.v1.Toleration",
        **{field: SCALARS["string"] for field in ("key", "operator", "value", "effect")},
        tolerationSeconds=SCALARS["int64"],
    )
)
SHAPE = configfile.struct(
    "io.k8s.podtolerationrestriction.v1alpha1.Configuration",
    kind=SCALARS["string"],
    apiVersion=SCALARS["string"],
    default=_TOLERATIONS,
    whitelist=_TOLERATIONS,
)


class _Noted(msgspec.Struct, omit_defaults=True):
    """A toleration as an annotation has it."""

    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""
    tolerationSeconds: int | None = None


_decode = msgspec.json.Decoder(list[_Noted] | None).decode


@dataclass(frozen=True, slots=True)
class Settings:
    """Of namespaces that say nothing of it: what their pods tolerate, and all that they may (empty: anything)."""

    default: tuple[Object, ...] = ()
    listed: tuple[Object, ...] = ()


def settings(found: dict[str, Any]) -> tuple[Settings, Errors]:
    """`found` has the right types already (`SHAPE`)."""
    return Settings(tuple(found.get("default") or ()), tuple(found.get("whitelist") or ())), Errors()


class PodTolerationRestriction(OfNamespace):
    def __init__(self, lookup: Lookup, seek: Seek, settings: Settings) -> None:
        super().__init__(lookup, seek)
        self._settings = settings

    def handles(self, target: Target) -> bool:
        return _writes(target)

    def change(self, attributes: Attributes, namespace: Object) -> None:
        assert attributes.obj is not None
        spec, added = attributes.obj.setdefault("spec", {}), list[Object]()
        if attributes.operation == "CREATE":
            said = _noted(namespace, DEFAULTS)
            added = list(self._settings.default) if said is None else said
        if qos_class(spec) != BEST_EFFORT:  # which memory that runs short does not concern first
            added = merged(added, [{"key": MEMORY_PRESSURE, "operator": "Exists", "effect": NO_SCHEDULE}])
        if added:
            spec["tolerations"] = merged(added, spec.get("tolerations") or [])
        self.check(attributes, namespace)

    def check(self, attributes: Attributes, namespace: Object) -> None:
        """Raises StatusError."""
        tolerations = ((attributes.obj or {}).get("spec") or {}).get("tolerations") or []
        if not tolerations:
            return
        said = _noted(namespace, LISTED)
        listed = list(self._settings.listed) if said is None else said
        if listed and not all(any(covers(wide, each) for wide in listed) for each in tolerations):
            raise StatusError(500, "", NOT_LISTED)


class ExtendedResourceToleration(Plugin):
    """Nodes with devices are often tainted by the devices' names: a pod that asks for one tolerates that."""

    def handles(self, target: Target) -> bool:
        return _writes(target)

    def mutate(self, attributes: Attributes) -> None:
        assert attributes.obj is not None
        spec = attributes.obj.get("spec") or {}
        asked = {
            name
            for part in ("containers", "initContainers")
            for container in spec.get(part) or ()
            for name in (container.get("resources") or {}).get("requests") or ()
            if is_extended(name)
        }
        for name in sorted(asked):
            wanted = {"key": name, "operator": "Exists", "effect": NO_SCHEDULE}
            has: list[Object] = spec.get("tolerations") or []
            if not any(_same(each, wanted) for each in has):
                spec["tolerations"] = [*has, wanted]


def _writes(target: Target) -> bool:
    writes = target.operation in ("CREATE", "UPDATE") and not target.subresource
    return writes and target.kind == kinds.POD


def _same(one: Object, other: Object) -> bool:
    """Whether they speak of the same taint alike (api.Toleration.MatchToleration)."""
    return all((one.get(field) or "") == (other.get(field) or "") for field in ("key", "effect", "operator", "value"))


def _noted(namespace: Object, annotation: str) -> list[Object] | None:
    """What the namespace says; None where it says nothing. Raises StatusError."""
    text = (namespace["metadata"].get("annotations") or {}).get(annotation)
    if not text:
        return None
    try:
        return [msgspec.to_builtins(each) for each in _decode(text) or ()]
    except msgspec.DecodeError as error:
        raise StatusError(500, "", f"{annotation}: {error}") from None


def merged(first: list[Object], second: list[Object]) -> list[Object]:
    """Both lists of tolerations, without those that another one covers. Very long ones stay as they are."""
    every = [*first, *second]
    if len(every) > MOST_MERGED:
        return every
    kept: list[Object] = []
    for i, one in enumerate(every):
        covered_before = any(covers(other, one) for other in kept)
        covered_later = any(other != one and covers(other, one) for other in every[i + 1 :])
        if not (covered_before or covered_later):
            kept.append(one)
    return kept


def covers(wide: Object, narrow: Object) -> bool:
    """Whether what `narrow` tolerates, `wide` tolerates for at least as long."""
    if wide == narrow:
        return True
    operator = wide.get("operator") or "Equal"
    if (wide.get("key") or operator != "Exists") and wide.get("key") != narrow.get("key"):
        return False
    if wide.get("effect") and wide["effect"] != narrow.get("effect"):
        return False
    limit, asked = wide.get("tolerationSeconds"), narrow.get("tolerationSeconds")
    if wide.get("effect") == "NoExecute" and limit is not None and (asked is None or asked > limit):
        return False
    if operator == "Exists":
        return True
    same_operator = (narrow.get("operator") or "Equal") == operator
    return operator == "Equal" and same_operator and (wide.get("value") or "") == (narrow.get("value") or "")
