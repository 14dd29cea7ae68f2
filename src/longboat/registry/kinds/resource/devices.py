"""Dynamic resource allocation: devices, and who may use them."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, fill, rules
from longboat.registry.kinds.core import resources
from longboat.registry.kinds.resource import allocation, checks, claims, slices
from longboat.registry.strategy import CHANGE, WHOLE_METADATA, WHOLE_METADATA_CHANGE, Strategy
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
            for toleration in fill.each(device, "tolerations"):
                fill.empty(toleration, "operator", "Equal")


_SPEC = Path("spec")


class DeviceClass(Strategy):
    kind = kinds.DEVICE_CLASS
    heavy = True  # its selectors are compiled
    returns_deleted = True
    update_order = (*WHOLE_METADATA, *WHOLE_METADATA_CHANGE, CHANGE)

    def validate_create(self, new: Object, err: Errors) -> None:
        _device_class(new.get("spec") or {}, {}, err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        _device_class(new.get("spec") or {}, old.get("spec") or {}, err)


class ResourceClaim(Strategy):
    kind = kinds.RESOURCE_CLAIM
    heavy = True  # its selectors are compiled
    returns_deleted = True
    columns = (Column("State", str, _state, description="Whether devices have been given."), AGE)
    has_status = True
    generation = False

    update_order = (*WHOLE_METADATA, *WHOLE_METADATA_CHANGE, CHANGE)

    def default(self, obj: Object) -> None:
        _requests(fill.part(obj, "spec"))

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {}

    def validate_create(self, new: Object, err: Errors) -> None:
        claims.spec(new.get("spec") or {}, _SPEC, err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        claims.immutable("ResourceClaimSpec", new, old, err)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        allocation.status(new, old, Path("status"), err)


class ResourceClaimTemplate(Strategy):
    kind = kinds.RESOURCE_CLAIM_TEMPLATE
    heavy = True  # its selectors are compiled
    returns_deleted = True
    generation = False

    def default(self, obj: Object) -> None:
        _requests(fill.part(fill.part(obj, "spec"), "spec"))

    def validate_create(self, new: Object, err: Errors) -> None:
        template = new.get("spec") or {}
        meta, path = template.get("metadata") or {}, _SPEC.at("metadata")
        rules.annotation_keys(meta.get("annotations"), path.at("annotations"), err)
        rules.labels(meta.get("labels"), path.at("labels"), err)
        claims.spec(template.get("spec") or {}, _SPEC.at("spec"), err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        claims.immutable("ResourceClaimTemplateSpec", new, old, err)


class ResourceSlice(Strategy):
    kind = kinds.RESOURCE_SLICE
    returns_deleted = True
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

    def validate_create(self, new: Object, err: Errors) -> None:
        slices.spec(new.get("spec") or {}, None, _SPEC, err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        slices.spec(new.get("spec") or {}, old.get("spec") or {}, _SPEC, err)


def _device_class(spec: Object, old: Object, err: Errors) -> None:
    claims.selectors(spec.get("selectors") or [], _SPEC.at("selectors"), err)
    configs = spec.get("config") or []
    stored = configs == (old.get("config") or [])
    checks.each(
        configs, claims.MOST, lambda found, at, err: claims.device_config(found, at, err, stored=stored),
        _SPEC.at("config"), err,
    )  # fmt: skip
    name = spec.get("extendedResourceName")
    if name is not None and not resources.is_extended(name):
        err.invalid(_SPEC.at("extendedResourceName"), name, "must be a valid extended resource name")
