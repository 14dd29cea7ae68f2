"""Service: one name and address for many pods."""

from __future__ import annotations

from typing import ClassVar

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.objects import Object
from longboat.machinery.table import Column
from longboat.registry.kinds.core.service import columns, defaults
from longboat.registry.strategy import Context, Strategy


class Service(Strategy):
    kind = kinds.SERVICE
    columns: ClassVar[tuple[Column, ...]] = columns.COLUMNS
    has_status = True
    generation = False
    storage_prefix = "services/specs"
    returns_deleted = True
    subresources = ("proxy",)
    selectable = frozenset(("spec.clusterIP", "spec.type"))

    def name_errors(self, name: str) -> list[str]:
        return names.dns1035_label(name)

    def default(self, obj: Object) -> None:
        defaults.default(obj)

    def prepare_create(self, new: Object, ctx: Context) -> None:
        new["status"] = {"loadBalancer": {}}
        defaults.normalize_cluster_ips(new["spec"], None)

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        spec, former = new["spec"], old.get("spec") or {}
        defaults.keep_allocated(spec, former)
        defaults.normalize_cluster_ips(spec, former)
        defaults.drop_what_no_longer_applies(spec, former)

    def fields(self, obj: Object) -> dict[str, str]:
        spec = obj.get("spec") or {}
        return {"spec.clusterIP": spec.get("clusterIP") or "", "spec.type": spec.get("type") or ""}
