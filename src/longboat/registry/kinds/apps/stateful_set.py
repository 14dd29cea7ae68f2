"""StatefulSet: pods with names, an order and storage of their own."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE
from longboat.registry.kinds import cells, fill, rules, workload
from longboat.registry.kinds.core import persistent_volume_claim as claims
from longboat.registry.kinds.core.pod import defaults, notes
from longboat.registry.strategy import ScaleFields, Strategy
from longboat.registry.write import Write

_SPEC = Path("spec")
MAY_CHANGE = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
FREE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip


class StatefulSet(Strategy):
    kind = kinds.STATEFUL_SET
    columns = (workload.READY_OF, AGE, *cells.template("spec", "template"))
    has_status = True
    scale = ScaleFields()

    def name_errors(self, name: str) -> list[str]:
        return names.dns1123_label(name)

    def default(self, obj: Object) -> None:
        spec = fill.part(obj, "spec")
        fill.empty(spec, "podManagementPolicy", "OrderedReady")
        strategy = fill.part(spec, "updateStrategy")
        fill.empty(strategy, "type", "RollingUpdate")
        if strategy["type"] == "RollingUpdate":
            fill.absent(fill.part(strategy, "rollingUpdate"), "partition", 0)
        retention = fill.part(spec, "persistentVolumeClaimRetentionPolicy")
        fill.empty(retention, "whenDeleted", "Retain")
        fill.empty(retention, "whenScaled", "Retain")
        fill.absent(spec, "replicas", 1)
        fill.absent(spec, "revisionHistoryLimit", 10)
        defaults.template(fill.part(spec, "template"))
        for claim in fill.each(spec, "volumeClaimTemplates"):
            claim.update(kind=kinds.PERSISTENT_VOLUME_CLAIM.name, apiVersion="v1")
            claims.default_spec(fill.part(claim, "spec"))
            fill.empty(fill.part(claim, "status"), "phase", "Pending")

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {}

    def validate(self, new: Object, err: Errors) -> None:
        spec = new.get("spec") or {}
        rules.one_of(
            spec.get("podManagementPolicy"), ("OrderedReady", "Parallel"), _SPEC.at("podManagementPolicy"), err
        )
        _strategy(spec.get("updateStrategy") or {}, err)
        for field in ("replicas", "minReadySeconds", "revisionHistoryLimit"):
            rules.not_negative(spec.get(field), _SPEC.at(field), err)
        rules.not_negative(dig(spec, "ordinals", "start"), _SPEC.at("ordinals", "start"), err)
        for field in ("whenDeleted", "whenScaled"):
            at = _SPEC.at("persistentVolumeClaimRetentionPolicy", field)
            rules.one_of(dig(spec, "persistentVolumeClaimRetentionPolicy", field), ("Delete", "Retain"), at, err)
        if name := spec.get("serviceName"):
            err.extend(_SPEC.at("serviceName"), names.dns1123_label(name), name)
        workload.validate_spec(spec, err, "StatefulSet", pods=False)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        spec, former = new.get("spec") or {}, old.get("spec") or {}
        if any(spec.get(field) != former.get(field) for field in spec.keys() | former.keys() if field not in FREE):
            err.forbidden(_SPEC, MAY_CHANGE)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        parts = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
        workload.validate_counts(new, err, "replicas", *parts, "observedGeneration", "collisionCount")
        for smaller in parts:
            workload.no_more_than(new, smaller, "replicas", err)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        return notes.workload(new, old)


def _strategy(strategy: Object, err: Errors) -> None:
    path, rolling = _SPEC.at("updateStrategy"), strategy.get("rollingUpdate")
    match strategy.get("type"):
        case None | "":
            err.required(path)
        case "OnDelete":
            if rolling is not None:
                err.invalid(path.at("rollingUpdate"), rolling, "only allowed for updateStrategy 'RollingUpdate'")
        case "RollingUpdate":
            rules.not_negative(dig(rolling, "partition"), path.at("rollingUpdate", "partition"), err)
            unavailable, at = dig(rolling, "maxUnavailable"), path.at("rollingUpdate", "maxUnavailable")
            if unavailable is not None:
                rules.percent_or_count(unavailable, at, err)
                rules.at_most_100_percent(unavailable, at, err)
                if rules.zero(unavailable):
                    err.invalid(at, unavailable, "cannot be 0")
        case other:
            err.invalid(path, other, "must be 'RollingUpdate' or 'OnDelete'")
