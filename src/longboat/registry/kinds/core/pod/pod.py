"""Pod: containers that live and die together on one node."""

from __future__ import annotations

from typing import ClassVar

from longboat.api import kinds, qos
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig, meta
from longboat.machinery.subresource import Subresource, proxy, stream, view
from longboat.machinery.table import Column
from longboat.registry.kinds.core.pod import columns, defaults, notes, pod_annotations, pod_status, resize, spec, update
from longboat.registry.strategy import CHANGE, OBJECT, WHOLE_METADATA, WHOLE_METADATA_CHANGE, Strategy
from longboat.registry.write import Write

_SPEC = Path("spec")
# What a pod may not be at all for a write through a subresource, and what has to hold of the change.
PARTS = {
    "ephemeralcontainers": (update.no_debuggers, update.ephemeral_containers),
    "resize": (resize.refused, resize.validate),
}


class Pod(Strategy):
    kind = kinds.POD
    columns: ClassVar[tuple[Column, ...]] = columns.COLUMNS
    has_status = True
    returns_deleted = True
    update_order = (*WHOLE_METADATA_CHANGE, *WHOLE_METADATA, OBJECT, CHANGE)
    subresources = (
        stream("attach", "PodAttachOptions"),
        Subresource("binding", ("create",), kinds.BINDING, counts=False),
        view("ephemeralcontainers"),
        Subresource("eviction", ("create",), kinds.EVICTION),
        stream("exec", "PodExecOptions"),
        Subresource("log", ("get",), long_running=True, text=True),
        stream("portforward", "PodPortForwardOptions"),
        proxy("PodProxyOptions"),
        view("resize"),
    )
    selectable = frozenset((
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
        "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName",
    ))  # fmt: skip

    def default(self, obj: Object) -> None:
        defaults.pod(obj)

    def prepare_create(self, new: Object, write: Write) -> None:
        _settle_grace(new)
        new["status"] = {"phase": "Pending", "qosClass": qos.qos_class(new.get("spec") or {})}
        if dig(new, "spec", "schedulingGates"):
            new["status"]["conditions"] = [
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "SchedulingGated",
                    "message": "Scheduling is blocked due to non-empty scheduling gates",
                }
            ]

    def prepare_update(self, new: Object, old: Object, write: Write) -> None:
        """The subresources of debuggers and of resizing change their own part only; every other write leaves ephemeral
        containers alone."""
        _settle_grace(new)
        if write.subresource == "ephemeralcontainers":
            added = dig(new, "spec", "ephemeralContainers", default=[])
            new["spec"] = {**old["spec"], "ephemeralContainers": added}
        elif write.subresource == "resize":
            resize.drop_others(new, old)
        elif "ephemeralContainers" in old["spec"]:
            new["spec"]["ephemeralContainers"] = old["spec"]["ephemeralContainers"]
        else:
            new["spec"].pop("ephemeralContainers", None)

    def prepare_status(self, new: Object, old: Object, write: Write) -> None:
        """Who owns the pod and how it is classed is not for its status to change."""
        owners = meta(old).get("ownerReferences")
        if owners is not None:
            meta(new)["ownerReferences"] = owners
        else:
            meta(new).pop("ownerReferences", None)
        status = new.setdefault("status", {})
        if found := dig(old, "status", "qosClass"):
            status["qosClass"] = found

    def validate(self, new: Object, err: Errors) -> None:
        found, notes_of = new.get("spec") or {}, meta(new).get("annotations") or {}
        pod_annotations.check(notes_of, found, update.NOTES, err)
        spec.validate(found, _SPEC, err, pod=meta(new))

    def validate_create(self, new: Object, err: Errors) -> None:
        found = new.get("spec") or {}
        if found.get("ephemeralContainers"):
            err.forbidden(_SPEC.at("ephemeralContainers"), "cannot be set on create")
        if found.get("schedulingGates") and found.get("nodeName"):
            err.forbidden(_SPEC.at("nodeName"), "cannot be set until all schedulingGates have been cleared")
        pod_annotations.agree_with_fields(meta(new).get("annotations") or {}, found, _SPEC, err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        update.validate(new, old, err)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        pod_status.validate(new, old, err)

    def validate_part(self, subresource: str, new: Object, old: Object, err: Errors) -> None:
        if subresource == "binding":
            return  # the binding itself is what was checked
        refused, check = PARTS[subresource]
        if not refused(old, err):
            self.validate(new, err)
            check(new, old, err)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return notes.pod(new) if old is None else []

    def status_warnings(self, new: Object) -> list[str]:
        return notes.of_status(new.get("status") or {})

    def fields(self, obj: Object) -> dict[str, str]:
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        addresses = [address.get("ip") or "" for address in status.get("podIPs") or ()]
        return {
            "spec.nodeName": spec.get("nodeName") or "",
            "spec.restartPolicy": spec.get("restartPolicy") or "",
            "spec.schedulerName": spec.get("schedulerName") or "",
            "spec.serviceAccountName": spec.get("serviceAccountName") or "",
            "spec.hostNetwork": "true" if spec.get("hostNetwork") else "false",
            "status.phase": status.get("phase") or "",
            "status.podIP": addresses[0] if addresses else "",
            "status.podIPs": addresses[0] if addresses else "",
            "status.nominatedNodeName": status.get("nominatedNodeName") or "",
        }

    def grace_seconds(self, obj: Object, wish: int | None) -> int:
        """The client's wish, else the pod's own; nothing to wait for where no node has it or it is done already."""
        grace: int = wish if wish is not None else dig(obj, "spec", "terminationGracePeriodSeconds", default=0)
        if not dig(obj, "spec", "nodeName") or dig(obj, "status", "phase") in columns.TERMINAL:
            return 0
        return grace if grace >= 0 else 1  # a negative grace once meant "at once"


def _settle_grace(pod: Object) -> None:
    """A negative one once meant "at once"."""
    spec = pod.get("spec") or {}
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        spec["terminationGracePeriodSeconds"] = 1
