"""StatefulSet: pods with names, an order and storage of their own."""

from __future__ import annotations

from collections.abc import Callable

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE
from longboat.machinery.types import internal
from longboat.registry.kinds import cells, fill, notes, rules, workload
from longboat.registry.kinds.core import persistent_volume_claim as claims
from longboat.registry.kinds.core.pod import defaults
from longboat.registry.kinds.core.pod import notes as pod_notes
from longboat.registry.kinds.core.pod import spec as pod_spec
from longboat.registry.strategy import ScaleFields, Strategy
from longboat.registry.write import Write

_SPEC = Path("spec")
STRATEGY = "io.k8s.api.apps.v1.StatefulSetUpdateStrategy"
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

    def validate_create(self, new: Object, err: Errors) -> None:
        _validate(new.get("spec") or {}, None, err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        spec, former = new.get("spec") or {}, old.get("spec") or {}
        _validate(spec, former, err)
        if any(spec.get(field) != former.get(field) for field in spec.keys() | former.keys() if field not in FREE):
            err.forbidden(_SPEC, MAY_CHANGE)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        parts = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
        workload.validate_counts(new, err, "replicas", *parts, "observedGeneration", "collisionCount")
        for smaller in parts:
            workload.no_more_than(new, smaller, "replicas", err)
        workload.no_more_than(new, "availableReplicas", "readyReplicas", err, "status.readyReplicas")
        workload.not_decremented(new, old, err)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        said, path = pod_notes.workload(new, old), _SPEC.at("volumeClaimTemplates")
        for i, template in enumerate(dig(new, "spec", "volumeClaimTemplates", default=())):
            said += notes.first(notes.claim(template.get("spec") or {}, path.index(i)))
        return said[: 2 * notes.MOST]


def _validate(spec: Object, former: Object | None, err: Errors) -> None:
    """`former` is the spec that it replaces. What is wrong in its templates may stay: upstream did not always look."""
    policy, at = spec.get("podManagementPolicy"), _SPEC.at("podManagementPolicy")
    if not policy:
        err.required(at)
    elif policy not in ("OrderedReady", "Parallel"):
        err.invalid(at, policy, "must be 'OrderedReady' or 'Parallel'")
    _strategy(spec.get("updateStrategy") or {}, err)
    for field in ("whenDeleted", "whenScaled"):
        wish = dig(spec, "persistentVolumeClaimRetentionPolicy", field)
        if wish not in ("Retain", "Delete"):
            at = _SPEC.at("persistentVolumeClaimRetentionPolicy", field)
            err.not_supported(at, wish or "", ("Retain", "Delete"), as_given=True)
    for field in ("replicas", "minReadySeconds"):
        rules.not_negative(spec.get(field), _SPEC.at(field), err)
    rules.not_negative(dig(spec, "ordinals", "start"), _SPEC.at("ordinals.start"), err)
    rules.not_negative(spec.get("revisionHistoryLimit"), _SPEC.at("revisionHistoryLimit"), err)
    if name := spec.get("serviceName"):
        err.extend(_SPEC.at("serviceName"), names.dns1123_label(name), name)
    if former is None:
        _claims(spec, err)
    selects = workload.validate_selector(spec, err, "StatefulSet", "")
    if selects and (former is None or not _wrong(_template, former)):
        _template(spec, err)
    if selects:
        workload.runs_on(spec, err, "StatefulSet")


def _wrong(check: Callable[[Object, Errors], None], spec: Object) -> bool:
    err = Errors()
    check(spec, err)
    return bool(err)


def _claims(spec: Object, err: Errors) -> None:
    for i, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        claims.validate_spec(claim.get("spec") or {}, _SPEC.at("volumeClaimTemplates").index(i).at("spec"), err)


def _template(spec: Object, err: Errors) -> None:
    """As its pods will be: with a volume for each claim, which goes before one of that name in the template."""
    named = [dig(claim, "metadata", "name", default="") for claim in spec.get("volumeClaimTemplates") or ()]
    template = (spec.get("template") or {}).copy()
    pod = (template.get("spec") or {}).copy()
    made = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in named]
    others = [volume for volume in pod.get("volumes") or () if volume.get("name") not in named]
    template["spec"] = pod | {"volumes": [*made, *others]}
    pod_spec.template(template, _SPEC.at("template"), err)


def _strategy(strategy: Object, err: Errors) -> None:
    path, rolling = _SPEC.at("updateStrategy"), strategy.get("rollingUpdate")
    match strategy.get("type"):
        case None | "":
            err.required(path)
        case "OnDelete":
            if rolling is not None:
                shown = internal.whole("io.k8s.api.apps.v1.RollingUpdateStatefulSetStrategy", rolling)
                err.invalid(path.at("rollingUpdate"), shown, "only allowed for updateStrategy 'RollingUpdate'")
        case "RollingUpdate":
            rules.not_negative(dig(rolling, "partition"), path.at("rollingUpdate", "partition"), err)
            unavailable, at = dig(rolling, "maxUnavailable"), path.at("rollingUpdate", "maxUnavailable")
            if unavailable is not None:
                rules.percent_or_count(unavailable, at, err)
                if rules.zero(unavailable):
                    err.invalid(at, unavailable, "cannot be 0")
                rules.at_most_100_percent(unavailable, at, err)
        case _:
            err.invalid(path, internal.whole(STRATEGY, strategy), "must be 'RollingUpdate' or 'OnDelete'")
