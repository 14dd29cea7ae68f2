"""Two small plugins for pods: how long they tolerate a lost node, and how much they matter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from longboat.api import kinds
from longboat.api.taints import NO_EXECUTE, NOT_READY, UNREACHABLE
from longboat.apiserver.admission.chain import Lookup, Plugin, Seek
from longboat.machinery.errors import forbidden
from longboat.machinery.objects import Object
from longboat.registry.admission import Attributes, Target

TOLERATED_SECONDS = 300
SYSTEM_PRIORITIES = {"system-cluster-critical": 2000000000, "system-node-critical": 2000001000}


def _writes(target: Target) -> bool:
    return target.operation in ("CREATE", "UPDATE") and target.kind == kinds.POD and not target.subresource


class DefaultTolerationSeconds(Plugin):
    """A pod stays five minutes on a node that is not ready or cannot be reached, unless it says otherwise.

    On every write: who replaces the tolerations need not know of these.
    """

    def handles(self, target: Target) -> bool:
        return _writes(target)

    def mutate(self, attributes: Attributes) -> None:
        assert attributes.obj is not None
        spec = attributes.obj.setdefault("spec", {})
        tolerations: list[Object] = spec.get("tolerations") or []
        for key in (NOT_READY, UNREACHABLE):
            if not any(_speaks_of(toleration, key) for toleration in tolerations):
                added = {"key": key, "operator": "Exists", "effect": NO_EXECUTE, "tolerationSeconds": TOLERATED_SECONDS}
                tolerations = [*tolerations, added]
        if tolerations:
            spec["tolerations"] = tolerations


def _speaks_of(toleration: Object, key: str) -> bool:
    return toleration.get("key") in (key, None, "") and toleration.get("effect") in (NO_EXECUTE, None, "")


class Priority(Plugin):
    """spec.priority comes from the PriorityClass alone, and of these one at most is the default."""

    def __init__(self, lookup: Lookup, seek: Seek, classes: Callable[[], list[Object]]) -> None:
        self._lookup = lookup
        self._seek = seek
        self._classes = classes

    def handles(self, target: Target) -> bool:
        writes = target.operation in ("CREATE", "UPDATE") and not target.subresource
        return writes and target.kind in (kinds.POD, kinds.PRIORITY_CLASS)

    def mutate(self, attributes: Attributes) -> Awaitable[None] | None:
        assert attributes.obj is not None
        if attributes.kind != kinds.POD:
            return None
        spec = attributes.obj.setdefault("spec", {})
        if attributes.old is not None:
            self._keep(spec, attributes.old.get("spec") or {})
            return None
        name = spec.get("priorityClassName") or ""
        found = self._lookup(kinds.PRIORITY_CLASS, "", name) if name else self._default()
        if name and found is None:
            return self._look_again(attributes, spec, name)
        self._set(attributes, spec, name, found)
        return None

    def validate(self, attributes: Attributes) -> None:
        """Upstream's list of classes may lag: so two that are made at once may both become default ones, here too."""
        if attributes.kind != kinds.PRIORITY_CLASS or not (attributes.obj or {}).get("globalDefault"):
            return
        found = self._default()
        if found is not None and (attributes.operation == "CREATE" or found["metadata"]["name"] != attributes.name):
            name = found["metadata"]["name"]
            why = f"PriorityClass {name} is already marked as default. Only one default can exist"
            raise forbidden(attributes.kind, attributes.name, why)

    @staticmethod
    def _keep(spec: Object, former: Object) -> None:
        """What was set here stays as it was where the new version says nothing of it."""
        for field in ("priority", "preemptionPolicy"):
            if spec.get(field) is None and former.get(field) is not None:
                spec[field] = former[field]

    async def _look_again(self, attributes: Attributes, spec: Object, name: str) -> None:
        found = await self._seek(kinds.PRIORITY_CLASS, "", name)
        if found is None:
            raise forbidden(kinds.POD, attributes.name, f"no PriorityClass with name {name} was found")
        self._set(attributes, spec, name, found)

    @staticmethod
    def _set(attributes: Attributes, spec: Object, name: str, found: Object | None) -> None:
        value = found["value"] if found else 0
        if spec.get("priority") not in (None, value):
            raise forbidden(
                kinds.POD,
                attributes.name,
                f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; "
                f"priority admission controller computed {value} from the given PriorityClass name",
            )
        spec["priority"] = value
        if found and not name:
            spec["priorityClassName"] = found["metadata"]["name"]
        policy = (found or {}).get("preemptionPolicy") or "PreemptLowerPriority"
        if spec.get("preemptionPolicy") not in (None, policy):
            raise forbidden(
                kinds.POD,
                attributes.name,
                f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod spec; "
                f"priority admission controller computed {policy} from the given PriorityClass name",
            )
        spec["preemptionPolicy"] = policy

    def _default(self) -> Object | None:
        """The global default class; of several the least."""
        defaults = [c for c in self._classes() if c.get("globalDefault")]
        return min(defaults, key=lambda c: int(c["value"]), default=None)
