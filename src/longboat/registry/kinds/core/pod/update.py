"""What may change in a pod once it is there: almost nothing, and more through its subresources."""

from __future__ import annotations

import difflib
from typing import Any

import msgspec

from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.registry.kinds import rules

MAY_CHANGE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
MIRROR = "kubernetes.io/config.mirror"

_SPEC = Path("spec")


def validate(new: Object, old: Object, err: Errors) -> None:
    spec, former = new.get("spec") or {}, old.get("spec") or {}
    _mirror(new, old, err)
    for field in ("containers", "initContainers"):
        if not _same_containers(spec.get(field) or [], former.get(field) or [], _SPEC.at(field), err):
            return
    if not _deadline(spec, former, err):
        return
    _tolerations(spec, former, err)
    _gates(spec, former, err)
    allowed = _with_what_may_change(spec, former)
    if _plain(allowed) != _plain(former):
        err.forbidden(_SPEC, f"{MAY_CHANGE}\n{_difference(former, allowed)}")


def _mirror(new: Object, old: Object, err: Errors) -> None:
    value, former = (dig(pod, "metadata", "annotations", MIRROR) for pod in (new, old))
    path = Path("metadata", "annotations").key(MIRROR)
    if former is not None and value != former:
        err.forbidden(path, "may not remove or update mirror pod annotation")
    elif former is None and value is not None:
        err.forbidden(path, "may not add mirror pod annotation")


def _same_containers(new: list[Object], old: list[Object], path: Path, err: Errors) -> bool:
    if len(new) != len(old):
        # The list is cut, that the rest of the checks need not look beyond its end.
        err.forbidden(path, "pod updates may not add or remove containers")
        return False
    for i, container in enumerate(new):
        image = container.get("image") or ""
        if image != image.strip():
            err.invalid(path.index(i).at("image"), image, "must not have leading or trailing whitespace")
    return True


def _deadline(spec: Object, former: Object, err: Errors) -> bool:
    path = _SPEC.at("activeDeadlineSeconds")
    new, old = spec.get("activeDeadlineSeconds"), former.get("activeDeadlineSeconds")
    if new is None:
        if old is not None:
            err.invalid(path, None, "must not update from a positive integer to nil value")
        return True
    if not 0 <= new <= rules.MAX_INT32:
        err.invalid(path, new, rules.between(0, rules.MAX_INT32))
        return False
    if old is not None and old < new:
        err.invalid(path, new, "must be less than or equal to previous value")
        return False
    return True


def _tolerations(spec: Object, former: Object, err: Errors) -> None:
    """Tolerations may be added, and those that time out may change how soon."""
    new = [_lasting(toleration) for toleration in spec.get("tolerations") or ()]
    for old in former.get("tolerations") or ():
        if _lasting(old) not in new:
            why = "existing toleration can not be modified except its tolerationSeconds"
            err.forbidden(_SPEC.at("tolerations"), why)
            return


def _lasting(toleration: Object) -> Object:
    return {field: value for field, value in toleration.items() if field != "tolerationSeconds"}


def _gates(spec: Object, former: Object, err: Errors) -> None:
    had = {gate.get("name") for gate in former.get("schedulingGates") or ()}
    for i, gate in enumerate(spec.get("schedulingGates") or ()):
        if gate.get("name") not in had:
            path = _SPEC.at("schedulingGates").index(i).at("name")
            err.forbidden(path, f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'")


def _with_what_may_change(spec: Object, former: Object) -> Object:
    """The new spec, all that may differ set back to what it was."""
    found = dict(spec)
    for field in ("containers", "initContainers"):
        if field in found:
            found[field] = [
                {**container, "image": old.get("image")}
                for container, old in zip(found[field], former.get(field) or (), strict=True)
            ]
    back = ["activeDeadlineSeconds", "tolerations"]
    if spec.get("schedulingGates") != former.get("schedulingGates"):
        back.append("schedulingGates")
    if former.get("schedulingGates"):
        # A pod that is held back may still be told more precisely where to go.
        back += _narrowed(spec, former)
    if (former.get("terminationGracePeriodSeconds") or 0) < 0 and spec.get("terminationGracePeriodSeconds") == 1:
        back.append("terminationGracePeriodSeconds")
    for field in back:
        if field in former:
            found[field] = former[field]
        else:
            found.pop(field, None)
    return found


def _narrowed(spec: Object, former: Object) -> list[str]:
    """The fields whose change only narrows down the nodes the pod fits (KEP-3838)."""
    found = []
    old, new = former.get("nodeSelector") or {}, spec.get("nodeSelector") or {}
    if all(new.get(key) == value for key, value in old.items()):
        found.append("nodeSelector")
    required = ("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
    was, now = dig(former, *required), dig(spec, *required)
    if was is None or (now and len(was) == len(now) and all(map(_contains, now, was))):
        others = [{k: v for k, v in (s.get("affinity") or {}).items() if k != "nodeAffinity"} for s in (spec, former)]
        if others[0] == others[1]:
            found.append("affinity")
    return found


def _contains(new: Object, old: Object) -> bool:
    """Whether a node selector term asks for all that the old one asked for."""
    return all(
        requirement in (new.get(field) or [])
        for field in ("matchExpressions", "matchFields")
        for requirement in old.get(field) or ()
    )


def _plain(value: Any) -> Any:
    """Without what says nothing: nulls, empty lists and maps."""
    if isinstance(value, dict):
        found = {key: _plain(member) for key, member in value.items()}
        return {key: member for key, member in found.items() if member not in (None, [], {}, "", False, 0)}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return value


def _difference(old: Object, new: Object) -> str:
    before, after = (
        msgspec.json.format(msgspec.json.encode(_plain(spec), order="sorted"), indent=2).decode().splitlines()
        for spec in (old, new)
    )
    return "\n".join(list(difflib.unified_diff(before, after, lineterm="", n=2))[2:])


def resize(new: Object, old: Object, err: Errors) -> None:
    """The resize subresource: resources of cpu and memory, and nothing else."""
    spec, former = new.get("spec") or {}, old.get("spec") or {}
    for field in ("containers", "initContainers"):
        if not _same_containers(spec.get(field) or [], former.get(field) or [], _SPEC.at(field), err):
            return
    found = dict(spec)
    for field in ("containers", "initContainers"):
        if field in found:
            found[field] = [
                {**container, "resources": old.get("resources"), "resizePolicy": old.get("resizePolicy")}
                for container, old in zip(found[field], former.get(field) or (), strict=True)
            ]
    if _plain(found) != _plain(former):
        err.forbidden(_SPEC, "only cpu and memory resources are mutable")
    from longboat.api.qos import qos_class

    if qos_class(spec) != dig(old, "status", "qosClass", default=qos_class(former)):
        err.invalid(_SPEC, qos_class(spec), "Pod QOS Class may not change as a result of resizing")


def ephemeral_containers(new: Object, old: Object, err: Errors) -> None:
    """The ephemeralcontainers subresource: what is there stays as it is."""
    path = _SPEC.at("ephemeralContainers")
    now = {container.get("name"): container for container in dig(new, "spec", "ephemeralContainers", default=())}
    for container in dig(old, "spec", "ephemeralContainers", default=()):
        name = container.get("name")
        if name not in now:
            err.forbidden(path, f'existing ephemeral containers "{name}" may not be removed\n')
        elif _plain(now[name]) != _plain(container):
            err.forbidden(path, f'existing ephemeral containers "{name}" may not be changed\n')
