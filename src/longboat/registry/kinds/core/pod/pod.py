"""Pod: containers that live and die together on one node."""

from __future__ import annotations

from typing import ClassVar

from longboat.api import kinds, qos
from longboat.machinery.objects import Object, dig, meta
from longboat.machinery.table import Column
from longboat.registry.kinds.core.pod import columns, defaults
from longboat.registry.strategy import Context, Strategy


class Pod(Strategy):
    kind = kinds.POD
    columns: ClassVar[tuple[Column, ...]] = columns.COLUMNS
    has_status = True
    returns_deleted = True
    subresources = (
        "attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "proxy", "resize",
    )  # fmt: skip
    selectable = frozenset((
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
        "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName",
    ))  # fmt: skip

    def default(self, obj: Object) -> None:
        defaults.pod(obj)

    def prepare_create(self, new: Object, ctx: Context) -> None:
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

    def prepare_status(self, new: Object, old: Object, ctx: Context) -> None:
        owners = meta(old).get("ownerReferences")
        if owners is not None:
            meta(new)["ownerReferences"] = owners
        else:
            meta(new).pop("ownerReferences", None)
        status = new.setdefault("status", {})
        if found := dig(old, "status", "qosClass"):
            status["qosClass"] = found

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
        grace = wish if wish is not None else dig(obj, "spec", "terminationGracePeriodSeconds", default=0)
        if grace < 0:
            grace = 1  # a negative grace once meant "at once"
        if not dig(obj, "spec", "nodeName") or dig(obj, "status", "phase") in columns.TERMINAL:
            return 0
        return grace
