"""The resize subresource: how much cpu and memory a pod has may change while it runs (KEP-1287)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from longboat.api.qos import qos_class
from longboat.machinery.fieldpath import NOWHERE, Errors, Path
from longboat.machinery.objects import Object, dig, meta
from longboat.registry.kinds import difference
from longboat.registry.kinds.core.pod.pod_annotations import MIRROR

LISTS = ("containers", "initContainers")
MUTABLE = ("cpu", "memory")
NOT_OF_METADATA = ("labels", "annotations", "finalizers", "ownerReferences")
OWN = ("resources", "resizePolicy")  # what a resize may speak of; validation then wants the policy as it was
ONLY_COMPUTE = "only cpu and memory resources are mutable"
ONLY_COMPUTE_OF_INIT = "only cpu and memory resources for init or sidecar containers are mutable"
NO_RESTART = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized"

_SPEC = Path("spec")


def drop_others(new: Object, old: Object) -> None:
    """Forget what is no matter of a resize. A list of other containers stays, for validation to refuse."""
    spec, former = new.get("spec") or {}, old["spec"]
    if any(len(spec.get(field) or ()) != len(former.get(field) or ()) for field in LISTS):
        return
    made = dict(former)
    for field in LISTS:
        if field in spec:
            made[field] = _merged(spec[field], former.get(field) or [])
    _take(made, spec, ("resources",))
    new["spec"] = made
    if "status" in old:
        new["status"] = old["status"]
    _take(meta(new), meta(old), NOT_OF_METADATA)


def _merged(containers: list[Object], former: list[Object]) -> list[Object]:
    if [c.get("name") for c in containers] != [c.get("name") for c in former]:
        return containers
    made = [dict(old) for old in former]
    for container, one in zip(containers, made, strict=True):
        _take(one, container, OWN)
    return made


def _take(into: Object, found: Object, fields: tuple[str, ...]) -> None:
    for field in fields:
        if field in found:
            into[field] = found[field]
        else:
            into.pop(field, None)


def refused(old: Object, err: Errors) -> bool:
    """Whether a pod cannot be resized at all; then nothing else is looked at."""
    if MIRROR in (meta(old).get("annotations") or {}):
        err.forbidden(NOWHERE, "static pods cannot be resized")
    elif dig(old, "spec", "os", "name") == "windows":
        err.forbidden(NOWHERE, "windows pods cannot be resized")
    return bool(err)


def validate(new: Object, old: Object, err: Errors) -> None:
    """What must hold between the two beyond what holds for any pod. `err` has what breaks that."""
    spec, former = new.get("spec") or {}, old.get("spec") or {}
    if qos_class(spec) != dig(old, "status", "qosClass", default=qos_class(former)):
        shown = dig(new, "status", "qosClass", default="")
        err.invalid(_SPEC, shown, "Pod QOS Class may not change as a result of resizing")
    if not _is_supported(old):
        err.forbidden(_SPEC, "Pod running on node without support for resize")
    _whole(spec, former, err)
    if dig(old, "status", "nodeAllocatableResourceClaimStatuses"):
        err.forbidden(_SPEC, "pods with node allocatable resource claims cannot be resized")
    if not _same_containers(spec, former, err):
        return
    for field in ("initContainers", "containers"):
        for at, container, was in _pairs(field, spec, former):
            _nothing_removed(container, was, at.at("resources"), "", err)
    for _, container, was in _pairs("containers", spec, former):
        if not _only_compute(container, was):
            err.forbidden(_SPEC, ONLY_COMPUTE)
    for at, container, was in _pairs("initContainers", spec, former):
        if not _only_compute(container, was):
            err.forbidden(at, ONLY_COMPUTE_OF_INIT)
        if container.get("restartPolicy") != "Always" and difference.plain(container) != difference.plain(was):
            for policy in container.get("resizePolicy") or ():
                if policy.get("restartPolicy") == "RestartContainer":
                    err.forbidden(at, NO_RESTART)
    if not err and difference.plain(_put_back(spec, former)) != difference.plain(former):
        err.forbidden(_SPEC, ONLY_COMPUTE)


def _pairs(field: str, spec: Object, former: Object) -> Iterator[tuple[Path, Object, Object]]:
    for i, (container, was) in enumerate(zip(spec.get(field) or (), former.get(field) or (), strict=True)):
        yield _SPEC.at(field).index(i), container, was


def _is_supported(pod: Object) -> bool:
    """A node that can resize says what running containers have."""
    running = [c for c in dig(pod, "status", "containerStatuses", default=()) if dig(c, "state", "running") is not None]
    return not running or running[0].get("resources") is not None


def _whole(spec: Object, former: Object, err: Errors) -> None:
    """The resources of the pod as a whole (KEP-5419)."""
    new, old = spec.get("resources"), former.get("resources")
    if not any(dig(each, side) for each in (new, old) for side in ("requests", "limits")):
        return
    path = _SPEC.at("resources")
    if new is None:
        err.forbidden(path, "pod-level resources cannot be removed")
        return
    _nothing_removed({"resources": new}, {"resources": old}, path, "pod-level ", err)
    if difference.plain(_without_compute(new, old)) != difference.plain(old or {}):
        err.forbidden(_SPEC, f"{ONLY_COMPUTE} at pod-level")


def _same_containers(spec: Object, former: Object, err: Errors) -> bool:
    fine = True
    for field in LISTS:
        new, old = spec.get(field) or [], former.get(field) or []
        if len(new) != len(old):
            err.forbidden(_SPEC.at(field), f"{field} may not be added or removed on resize")
            fine = False
            continue
        for i, (container, was) in enumerate(zip(new, old, strict=True)):
            if container.get("name") != was.get("name"):
                err.forbidden(_SPEC.at(field).index(i).at("name"), f"{field} may not be renamed or reordered on resize")
                fine = False
    return fine


def _nothing_removed(new: Object, old: Object, path: Path, what: str, err: Errors) -> None:
    for side in ("requests", "limits"):
        had, has = (dig(each, "resources", side, default={}) for each in (old, new))
        if had.keys() - has.keys():
            err.forbidden(path.at(side), f"{what}resource {side} cannot be removed")


def _only_compute(container: Object, was: Object) -> bool:
    """Whether all else is as it was. Upstream's comparison has no place for claims: who has some cannot be resized."""
    resources = _without_compute(container.get("resources"), was.get("resources"))
    resources.pop("claims", None)
    return bool(difference.plain({**container, "resources": resources}) == difference.plain(was))


def _without_compute(new: Object | None, old: Object | None) -> Object:
    """Requests and limits with cpu and memory as they were."""
    made: dict[str, Any] = {**(new or {})}
    for side in ("requests", "limits"):
        has, had = dig(new, side, default={}), dig(old, side, default={})
        others = {name: text for name, text in has.items() if name not in MUTABLE}
        made[side] = others | {name: had[name] for name in MUTABLE if name in had}
    return made


def _put_back(spec: Object, former: Object) -> Object:
    """The spec as it would be without the resize."""
    made = {**spec, **{field: former[field] for field in LISTS if field in former}}
    if "resources" in former:
        made["resources"] = former["resources"]
    else:
        made.pop("resources", None)
    return made
