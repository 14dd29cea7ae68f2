"""Dynamic resource allocation: devices, and who may use them."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, fill
from longboat.registry.strategy import Strategy
from longboat.registry.write import Write


def _state(claim: Object) -> str:
    states = []
    if dig(claim, "metadata", "deletionTimestamp"):
        states.append("deleted")
    if dig(claim, "status", "allocation") is None:
        return ",".join(states or ["pending"])
    states.append("allocated")
    return ",".join([*states, *(["reserved"] if dig(claim, "status", "reservedFor") else [])])


def _requests(spec: Object) -> None:
    for request in fill.each(spec.get("devices") or {}, "requests"):
        wanted = [request["exactly"]] if request.get("exactly") is not None else []
        for device in [*wanted, *(request.get("firstAvailable") or ())]:
            fill.empty(device, "allocationMode", "ExactCount")
            if device["allocationMode"] == "ExactCount":
                fill.empty(device, "count", 1)


class DeviceClass(Strategy):
    kind = kinds.DEVICE_CLASS


class ResourceClaim(Strategy):
    kind = kinds.RESOURCE_CLAIM
    columns = (Column("State", str, _state, description="Whether devices have been given."), AGE)
    has_status = True
    generation = False

    def default(self, obj: Object) -> None:
        _requests(fill.part(obj, "spec"))

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {}


class ResourceClaimTemplate(Strategy):
    kind = kinds.RESOURCE_CLAIM_TEMPLATE
    generation = False

    def default(self, obj: Object) -> None:
        _requests(fill.part(fill.part(obj, "spec"), "spec"))


class ResourceSlice(Strategy):
    kind = kinds.RESOURCE_SLICE
    columns = (
        Column("Node", str, lambda found: dig(found, "spec", "nodeName") or cells.UNSET,
               description="Which node has the devices."),
        Column("Driver", str, cells.at("spec.driver"), description="Who drives them."),
        Column("Pool", str, cells.at("spec.pool.name"), description="Which pool they are of."),
        AGE,
    )  # fmt: skip
    selectable = frozenset(("spec.nodeName", "spec.driver"))

    def fields(self, obj: Object) -> dict[str, str]:
        return {
            "spec.nodeName": dig(obj, "spec", "nodeName", default=""),
            "spec.driver": dig(obj, "spec", "driver", default=""),
        }
