"""What the status of a pod may become."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from longboat.api import restarts
from longboat.api.restarts import RestartRule
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig, meta
from longboat.machinery.types import internal
from longboat.registry.kinds import rules
from longboat.registry.kinds.core.pod import container_status, pod_annotations
from longboat.registry.kinds.core.pod.update import NOTES

OLD_CONDITIONS = ("PodScheduled", "Ready", "Initialized")  # there before the names of conditions were checked
ALREADY_BOUND = "may not be set on pods that are already bound to a node"
_STATUS = Path("status")


def validate(new: Object, old: Object, err: Errors) -> None:
    """What has ended, and may not run again, has ended."""
    notes, former_notes = (meta(each).get("annotations") or {} for each in (new, old))
    pod_annotations.check_update(notes, former_notes, NOTES, err)
    pod_annotations.check(notes, new.get("spec") or {}, NOTES, err, was=former_notes)
    _conditions(dig(new, "status", "conditions", default=()), err)
    nominated = dig(new, "status", "nominatedNodeName", default="")
    if nominated != dig(old, "status", "nominatedNodeName", default=""):
        err.extend(_STATUS.at("nominatedNodeName"), names.dns1123_subdomain(nominated) if nominated else (), nominated)
        if nominated and dig(old, "spec", "nodeName"):
            err.forbidden(_STATUS.at("nominatedNodeName"), ALREADY_BOUND)
    _generation(dig(new, "status", "observedGeneration"), _STATUS.at("observedGeneration"), err)
    may_run_again = _may_run_again(old.get("spec") or {})
    for field in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        now = {c.get("name"): c.get("state") or {} for c in dig(new, "status", field, default=())}
        for i, container in enumerate(dig(old, "status", field, default=())):
            ended, name = dig(container, "state", "terminated"), container.get("name")
            if ended is None or may_run_again(name or "", ended.get("exitCode") or 0):
                continue
            if name in now and now[name].get("terminated") is None:
                path = Path("status", field).index(i).at("state")
                err.forbidden(path, "may not be transitioned to non-terminated state")
    _claims(new, err)
    container_status.extended_claim(new, err)
    _addresses(new, old, err)
    container_status.validate(new, err)


def _may_run_again(spec: Object) -> Callable[[str, int], bool]:
    """Whether a container of this name may run again after it has ended with this exit code."""
    members = {c.get("name"): c for c in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))}
    listed = {
        name: msgspec.convert(container.get("restartPolicyRules") or [], list[RestartRule])
        for name, container in members.items()
    }
    all_may = any(rule.action == restarts.RESTART_ALL for found in listed.values() for rule in found)
    whole = spec.get("restartPolicy") or restarts.ALWAYS

    def may_run_again(name: str, code: int) -> bool:
        if name not in members:  # an ephemeral one
            return False
        policy = members[name].get("restartPolicy") or whole
        return all_may or restarts.again(policy, listed[name], code)

    return may_run_again


def _generation(value: int | None, path: Path, err: Errors) -> None:
    if value is not None and value < 0:
        err.invalid(path, value, "must be a non-negative integer")


def _conditions(found: Sequence[Object], err: Errors) -> None:
    for i, condition in enumerate(found):
        path, kind = _STATUS.at("conditions").index(i), condition.get("type") or ""
        _generation(condition.get("observedGeneration"), path.at("observedGeneration"), err)
        if kind not in OLD_CONDITIONS:
            err.extend(path.at("Type"), names.qualified_name(kind), kind)


def _claims(pod: Object, err: Errors) -> None:
    """Which claims were made for the pod (KEP-3063)."""
    known, seen = {claim.get("name") for claim in dig(pod, "spec", "resourceClaims", default=())}, set()
    for i, found in enumerate(dig(pod, "status", "resourceClaimStatuses", default=())):
        path, name = _STATUS.at("resourceClaimStatuses").index(i), found.get("name") or ""
        if name not in known:
            err.invalid(path.at("name"), name, "must match the name of an entry in `spec.resourceClaims`")
        if name in seen:
            err.duplicate(path.at("name"), name)
        seen.add(name)
        if (claim := found.get("resourceClaimName")) is not None:
            err.extend(path.at("name"), names.dns1123_subdomain(claim), claim)  # upstream's path


def _addresses(pod: Object, old: Object, err: Errors) -> None:
    """What an older version took may stay."""
    for field, kind in (("podIPs", "PodIP"), ("hostIPs", "HostIP")):
        path, found = _STATUS.at(field), [each.get("ip") or "" for each in dig(pod, "status", field, default=())]
        if field == "hostIPs" and found and found[0] != dig(pod, "status", "hostIP", default=""):
            err.invalid(path.index(0).at("ip"), found[0], "must be equal to `hostIP`")
        quiet, former = Errors(), {each.get("ip") or "" for each in dig(old, "status", field, default=())}
        for i, text in enumerate(found):
            rules.address(text, path.index(i).at("ip") if field == "hostIPs" else path.index(i), quiet, former)
        families = [":" in text for text in found]
        if not quiet and len(families) != len(set(families)):
            shown = [internal.whole(f"{internal.CORE}{kind}", {"ip": text}) for text in found]
            quiet.invalid(path, shown, "may specify no more than one IP for each IP family")
        err.merge(quiet)
