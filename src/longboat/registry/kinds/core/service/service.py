"""Service: one name and address for many pods."""

from __future__ import annotations

from typing import ClassVar

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors
from longboat.machinery.objects import Object
from longboat.machinery.subresource import proxy
from longboat.machinery.table import Column
from longboat.registry.kinds.core.service import columns, defaults, notes, validation
from longboat.registry.strategy import CHANGE, WHOLE_METADATA_CHANGE, Strategy
from longboat.registry.write import Write


class Service(Strategy):
    kind = kinds.SERVICE
    columns: ClassVar[tuple[Column, ...]] = columns.COLUMNS
    has_status = True
    generation = False
    create_on_update = True
    update_order = (*WHOLE_METADATA_CHANGE, CHANGE)
    storage_prefix = "services/specs"
    returns_deleted = True
    subresources = (proxy("ServiceProxyOptions"),)
    selectable = frozenset(("spec.clusterIP", "spec.type"))

    def name_errors(self, name: str) -> list[str]:
        return names.dns1123_label(name)  # KEP-5311: as other names

    def default(self, obj: Object) -> None:
        defaults.default(obj)

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {"loadBalancer": {}}
        defaults.normalize_cluster_ips(new["spec"], None)

    def prepare_update(self, new: Object, old: Object, write: Write) -> None:
        spec, former = new["spec"], old.get("spec") or {}
        defaults.keep_allocated(spec, former)
        defaults.normalize_cluster_ips(spec, former)
        defaults.drop_what_no_longer_applies(spec, former)

    def validate_create(self, new: Object, err: Errors) -> None:
        validation.validate(new, None, err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        validation.validate_update(new, old, err)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        validation.validate_status(new, old, err)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return notes.warnings(new)

    def status_warnings(self, new: Object) -> list[str]:
        return notes.of_status(new)

    def fields(self, obj: Object) -> dict[str, str]:
        spec = obj.get("spec") or {}
        return {"spec.clusterIP": spec.get("clusterIP") or "", "spec.type": spec.get("type") or ""}
