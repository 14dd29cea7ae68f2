"""What may change in a pod once it is there: almost nothing, and more through its subresources."""

from __future__ import annotations

from longboat.machinery.fieldpath import NOWHERE, Errors, Path, quoted
from longboat.machinery.objects import Object, dig, meta
from longboat.machinery.types import internal
from longboat.registry.kinds import rules
from longboat.registry.kinds.core.pod import pod_annotations, scheduling

MAY_CHANGE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
TERM = f"{internal.CORE}NodeSelectorTerm"
POD_SPEC, EPHEMERAL = f"{internal.CORE}PodSpec", f"{internal.CORE}EphemeralContainer"

_SPEC = Path("spec")
NOTES = Path("metadata", "annotations")


def validate(new: Object, old: Object, err: Errors) -> None:
    spec, former = new.get("spec") or {}, old.get("spec") or {}
    notes, former_notes = (meta(each).get("annotations") or {} for each in (new, old))
    pod_annotations.check_update(notes, former_notes, NOTES, err)
    pod_annotations.check(notes, spec, NOTES, err, was=former_notes)
    for field in ("containers", "initContainers"):
        if not _same_containers(spec.get(field) or [], former.get(field) or [], _SPEC.at(field), err):
            return
    if not _deadline(spec, former, err):
        return
    _tolerations(spec, former, err)
    _gates(spec, former, err)
    if spec == former:
        return
    allowed = _with_what_may_change(spec, former, err)
    if not internal.same(POD_SPEC, allowed, former):
        err.forbidden(_SPEC, f"{MAY_CHANGE}\n{internal.difference(POD_SPEC, former, allowed)}")


def _same_containers(new: list[Object], old: list[Object], path: Path, err: Errors) -> bool:
    if len(new) != len(old):
        # The list is cut, that the rest of the checks need not look beyond its end.
        err.forbidden(path, "pod updates may not add or remove containers")
        return False
    for i, container in enumerate(new):
        image = container.get("image") or ""
        if not image:
            err.required(path.index(i).at("image"))
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
    new = {_lasting(toleration) for toleration in spec.get("tolerations") or ()}
    for old in former.get("tolerations") or ():
        if _lasting(old) not in new:
            why = "existing toleration can not be modified except its tolerationSeconds"
            err.forbidden(_SPEC.at("tolerations"), why)
            return
    scheduling.tolerations(spec.get("tolerations") or [], _SPEC.at("tolerations"), err)


def _lasting(toleration: Object) -> frozenset[tuple[str, str]]:
    return frozenset((field, value) for field, value in toleration.items() if field != "tolerationSeconds" and value)


def _gates(spec: Object, former: Object, err: Errors) -> None:
    had = {gate.get("name") for gate in former.get("schedulingGates") or ()}
    for i, gate in enumerate(spec.get("schedulingGates") or ()):
        if gate.get("name") not in had:
            path = _SPEC.at("schedulingGates").index(i).at("name")
            err.forbidden(path, f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'")


def _with_what_may_change(spec: Object, former: Object, err: Errors) -> Object:
    """The new spec, all that may differ set back to what it was."""
    found = spec.copy()
    for field in ("containers", "initContainers"):
        if field in found:
            found[field] = [
                container | {"image": old.get("image")}
                for container, old in zip(found[field], former.get(field) or (), strict=True)
            ]
    back = ["activeDeadlineSeconds", "tolerations", "schedulingGates"]
    if (former.get("terminationGracePeriodSeconds") or 0) < 0 and spec.get("terminationGracePeriodSeconds") == 1:
        back.append("terminationGracePeriodSeconds")
    if former.get("schedulingGates"):
        # A pod that is held back may still be told more precisely where to go (KEP-3838).
        _narrowed(spec, former, err)
        back.append("nodeSelector")
        others = {kind: part for kind, part in (spec.get("affinity") or {}).items() if kind != "nodeAffinity"}
        had = {kind: part for kind, part in (former.get("affinity") or {}).items() if kind != "nodeAffinity"}
        if others == had:
            back.append("affinity")
    for field in back:
        if field in former:
            found[field] = former[field]
        else:
            found.pop(field, None)
    return found


def _narrowed(spec: Object, former: Object, err: Errors) -> None:
    """Whether the changes only narrow down the nodes the pod fits."""
    old, new = former.get("nodeSelector") or {}, spec.get("nodeSelector") or {}
    if any(new.get(key) != value for key, value in old.items()):
        why = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        err.invalid(_SPEC.at("nodeSelector"), new, why)
    steps = ("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
    was, now = dig(former, *steps, default=[]), dig(spec, *steps, default=[])
    if not was:
        return
    path = _SPEC.at(*steps)
    if len(was) != len(now):
        shown = [internal.whole(TERM, term) for term in now]
        err.invalid(path, shown, "no additions/deletions to non-empty NodeSelectorTerms list are allowed")
        return
    for i, (wanted, had) in enumerate(zip(now, was, strict=True)):
        if not _contains(wanted, had):
            err.invalid(
                path.index(i), internal.whole(TERM, wanted), "only additions are allowed (no mutations or deletions)"
            )


def _contains(new: Object, old: Object) -> bool:
    """Whether a node selector term asks for what the old one asked for, and then for more."""
    for field in ("matchExpressions", "matchFields"):
        had = [_requirement(each) for each in old.get(field) or ()]
        if [_requirement(each) for each in (new.get(field) or ())[: len(had)]] != had:
            return False
    return True


def _requirement(found: Object) -> tuple[str, str, tuple[str, ...]]:
    return found.get("key") or "", found.get("operator") or "", tuple(found.get("values") or ())


def no_debuggers(old: Object, err: Errors) -> bool:
    """Whether a pod takes no ephemeral containers at all; then nothing else is looked at."""
    if pod_annotations.MIRROR in (meta(old).get("annotations") or {}):
        err.forbidden(NOWHERE, "static pods do not support ephemeral containers")
    return bool(err)


def ephemeral_containers(new: Object, old: Object, err: Errors) -> None:
    """The ephemeralcontainers subresource: what is there stays as it is."""
    notes, former_notes = (meta(each).get("annotations") or {} for each in (new, old))
    pod_annotations.check_update(notes, former_notes, NOTES, err)
    pod_annotations.check(notes, new.get("spec") or {}, NOTES, err, was=former_notes)
    path = _SPEC.at("ephemeralContainers")
    now = {container.get("name"): container for container in dig(new, "spec", "ephemeralContainers", default=())}
    for container in dig(old, "spec", "ephemeralContainers", default=()):
        name = container.get("name") or ""
        if name not in now:
            err.forbidden(path, f"existing ephemeral containers {quoted(name)} may not be removed\n")
        elif not internal.same(EPHEMERAL, now[name], container):
            changes = internal.difference(EPHEMERAL, container, now[name])
            err.forbidden(path, f"existing ephemeral containers {quoted(name)} may not be changed\n{changes}")
