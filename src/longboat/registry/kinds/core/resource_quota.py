"""ResourceQuota: how much of everything a namespace may have."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import rules
from longboat.registry.kinds.core import resources
from longboat.registry.strategy import Strategy
from longboat.registry.write import Write

SCOPES = ("BestEffort", "CrossNamespacePodAffinity", "NotBestEffort", "NotTerminating", "PriorityClass", "Terminating",
          "VolumeAttributesClass")  # fmt: skip
_SPEC = Path("spec")


def _shown(quota: Object, limits: bool) -> str:
    hard, used = (dig(quota, "status", part, default={}) for part in ("hard", "used"))
    return ", ".join(
        f"{name}: {used.get(name, '0')}/{hard[name]}" for name in sorted(hard) if name.startswith("limits.") is limits
    )


class ResourceQuota(Strategy):
    kind = kinds.RESOURCE_QUOTA
    columns = (
        Column("Request", str, lambda quota: _shown(quota, False), description="What may be asked for, and what is."),
        Column("Limit", str, lambda quota: _shown(quota, True), description="Up to what may be used, and what is."),
        AGE,
    )
    has_status = True
    generation = False
    returns_deleted = True

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {}

    def validate(self, new: Object, err: Errors) -> None:
        spec = new.get("spec") or {}
        _listed(spec.get("hard"), _SPEC.at("hard"), err)
        scopes = spec.get("scopes") or []
        for scope in scopes:
            if scope not in SCOPES:
                err.invalid(_SPEC.at("scopes"), scopes, "unsupported scope")
        for scope, opposite in (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")):
            if scope in scopes and opposite in scopes:
                err.invalid(_SPEC.at("scopes"), scopes, "conflicting scopes")
        for i, expression in enumerate(dig(spec, "scopeSelector", "matchExpressions", default=())):
            if expression.get("scopeName") not in SCOPES:
                at = _SPEC.at("scopeSelector", "matchExpressions").index(i).at("scopeName")
                err.invalid(at, expression.get("scopeName") or "", "unsupported scope")

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        scopes, former = (dig(obj, "spec", "scopes", default=[]) for obj in (new, old))
        if set(scopes) != set(former):
            err.invalid(_SPEC.at("scopes"), scopes, rules.IMMUTABLE)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        for part in ("hard", "used"):
            _listed(dig(new, "status", part), Path("status", part), err)


def _listed(found: Object | None, path: Path, err: Errors) -> None:
    for resource, text in (found or {}).items():
        resources.quota_name(resource, path.key(resource), err)
        resources.value(resource, text, path.key(resource), err)
