"""Fields of features that are off in Kubernetes 1.36 unless a gate is opened (pkg/features): nobody can bring them in.

A new object loses them without a word; a changed one keeps them if its former version had them, for that may have come
from a server where the feature was on. What is checked, stored and answered is what is left. All of it is the table:
who finds a further feature that is off adds a line, here and in `docs/features-that-are-off.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from longboat.api import kinds
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object

Steps = tuple[str, ...]
Tree = dict[str, "Tree"]  # a table's fields by their first step
EACH = "*"  # a step into every value of a map; lists are stepped into without a word


@dataclass(frozen=True, slots=True)
class Off:
    """What goes while `gate` is closed. An object that had any of `fields` before may have all of them.

    `given`: they go only where this is there, and not empty. `hollow`: what held nothing else goes as well.
    """

    gate: str
    fields: tuple[Steps, ...]
    given: Steps = ()
    hollow: bool = False

    def beneath(self, *prefix: str) -> Off:
        return replace(self, fields=tuple((*prefix, *steps) for steps in self.fields))


def drop(kind: Kind, new: Object, old: Object | None) -> None:
    """Take from an object, in place, what its kind's features that are off would have brought. What it shares with
    others is left alone: whatever changes is copied."""
    tree = _TREES.get(kind)
    if tree is None or not _any(new, tree):
        return
    for off in TABLE[kind]:
        found = [steps for steps in off.fields if _has(new, off.given or steps)]
        if not found or (old is not None and any(_has(old, steps) for steps in off.fields)):
            continue
        for steps in found:
            new.update(_without(new, steps, off.hollow))


def _any(value: Any, tree: Tree) -> bool:
    """Whether any of a kind's fields may be there: one walk for all of them, since hardly any object has one."""
    if isinstance(value, list):
        return any(_any(each, tree) for each in value)
    if not isinstance(value, dict):
        return False
    for step, below in tree.items():
        member = value if step == EACH else value.get(step)
        if member is not None and (not below or _any([*member.values()] if step == EACH else member, below)):
            return True
    return False


def _has(value: Any, steps: Steps) -> bool:
    if not steps:
        return value not in (None, "", [], {})
    if isinstance(value, list):
        return any(_has(each, steps) for each in value)
    if not isinstance(value, dict):
        return False
    if steps[0] == EACH:
        return any(_has(each, steps[1:]) for each in value.values())
    return steps[0] in value and _has(value[steps[0]], steps[1:])


def _without(value: Any, steps: Steps, hollow: bool) -> Any:
    if isinstance(value, list):
        return [_without(each, steps, hollow) for each in value]
    if not isinstance(value, dict):
        return value
    first, rest = steps[0], steps[1:]
    if not rest:
        return {key: member for key, member in value.items() if key != first}
    made = value.copy()
    for key in value if first == EACH else value.keys() & {first}:
        made[key] = _without(value[key], rest, hollow)
        if hollow and not made[key] and made[key] != value[key]:
            del made[key]
    return made


_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_POD_SPEC: Final = (
    Off("ContainerStopSignals", tuple((field, "lifecycle", "stopSignal") for field in _CONTAINERS), hollow=True),
    Off("ClusterTrustBundleProjection", (("volumes", "projected", "sources", "clusterTrustBundle"),)),
    Off("PodCertificateRequest", (("volumes", "projected", "sources", "podCertificate"),)),
    Off("GenericWorkload", (("schedulingGroup",),)),
)
_STATUSES = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
_POD_STATUS: Final = (
    Off("ImageVolumeWithDigest", tuple((field, "volumeMounts", "volumeStatus") for field in _STATUSES)),
    Off("DRANodeAllocatableResources", (("nodeAllocatableResourceClaimStatuses",),)),
)
_SOURCE = ("spec", "dataSourceRef")
_ATTRIBUTE = ("spec", "devices", "attributes", EACH)


def _pods(*prefix: str) -> tuple[Off, ...]:
    return tuple(off.beneath(*prefix, "spec") for off in _POD_SPEC)


_WORKLOAD = _pods("spec", "template")

TABLE: Final[Mapping[Kind, tuple[Off, ...]]] = {
    kinds.POD: (*_pods(), *(off.beneath("status") for off in _POD_STATUS)),
    kinds.POD_TEMPLATE: _pods("template"),
    kinds.REPLICATION_CONTROLLER: _WORKLOAD,
    kinds.REPLICA_SET: _WORKLOAD,
    kinds.DEPLOYMENT: _WORKLOAD,
    kinds.DAEMON_SET: _WORKLOAD,
    kinds.STATEFUL_SET: (
        *_WORKLOAD,
        Off("MaxUnavailableStatefulSet", (("spec", "updateStrategy", "rollingUpdate", "maxUnavailable"),)),
    ),
    kinds.JOB: _WORKLOAD,
    kinds.CRON_JOB: _pods("spec", "jobTemplate", "spec", "template"),
    kinds.PERSISTENT_VOLUME_CLAIM: (
        Off("CrossNamespaceVolumeDataSource", (_SOURCE,), given=(*_SOURCE, "namespace")),
    ),
    kinds.CSI_DRIVER: (Off("VolumeLimitScaling", (("spec", "preventPodSchedulingIfMissing"),)),),
    kinds.RESOURCE_SLICE: (
        Off("DRANodeAllocatableResources", (("spec", "devices", "nodeAllocatableResourceMappings"),)),
        Off("DRAListTypeAttributes", tuple((*_ATTRIBUTE, field) for field in ("bools", "ints", "strings", "versions"))),
    ),
    kinds.LEASE: (
        Off("CoordinatedLeaderElection", (("spec", "strategy"),)),
        Off("CoordinatedLeaderElection", (("spec", "preferredHolder"),)),
    ),
}  # fmt: skip


def _tree(found: tuple[Off, ...]) -> Tree:
    tree: Tree = {}
    for off in found:
        for steps in off.fields:
            below = tree
            for step in steps:
                below = below.setdefault(step, {})
    return tree


_TREES: Final = {kind: _tree(found) for kind, found in TABLE.items()}
