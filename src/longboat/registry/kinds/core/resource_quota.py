"""ResourceQuota: how much of everything a namespace may have."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.machinery.types import internal
from longboat.registry.kinds import rules
from longboat.registry.kinds.core import resources
from longboat.registry.strategy import Strategy
from longboat.registry.write import Write

SCOPES = ("BestEffort", "CrossNamespacePodAffinity", "NotBestEffort", "NotTerminating", "PriorityClass", "Terminating",
          "VolumeAttributesClass")  # fmt: skip
OPPOSITES = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
# What can be rationed of pods, and of claims, that are within a scope.
_COMPUTE = frozenset(f"{prefix}{name}" for name in ("cpu", "memory") for prefix in ("", "requests.", "limits."))
_OF_PODS, _OF_CLAIMS = frozenset(("pods", *_COMPUTE)), frozenset(("persistentvolumeclaims", "requests.storage"))
WITHIN = {scope: _OF_PODS for scope in SCOPES} | {
    "BestEffort": frozenset(("pods",)), "VolumeAttributesClass": _OF_CLAIMS,
}  # fmt: skip
_UNSUPPORTED, _CONFLICTING = "unsupported scope", "conflicting scopes"
_UNFIT = "unsupported scope applied to resource"
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
        _scopes(spec, err)
        if (selector := spec.get("scopeSelector")) is not None:
            _selector(selector, spec, err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        scopes, former = (dig(obj, "spec", "scopes", default=[]) for obj in (new, old))
        if set(scopes) != set(former):
            err.invalid(_SPEC.at("scopes"), scopes or None, rules.IMMUTABLE)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        for part in ("hard", "used"):
            _listed(dig(new, "status", part), Path("status", part), err)


def _listed(found: Object | None, path: Path, err: Errors) -> None:
    for resource, text in (found or {}).items():
        resources.quota_name(resource, path.key(resource), err)
        resources.value(resource, text, path.key(resource), err)


def _scopes(spec: Object, err: Errors) -> None:
    scopes, path = spec.get("scopes") or [], _SPEC.at("scopes")
    for scope in scopes:
        if scope not in SCOPES:
            err.invalid(path, scopes, _UNSUPPORTED)
        for _ in _unfit(scope, spec):
            err.invalid(path, scopes, _UNFIT)
    for pair in OPPOSITES:
        if all(scope in scopes for scope in pair):
            err.invalid(path, scopes, _CONFLICTING)


def _unfit(scope: str, spec: Object) -> list[str]:
    """The rationed resources that are not any less or more within a scope. Of others nothing is known."""
    within = WITHIN.get(scope)
    listed = spec.get("hard") or {}
    return [] if within is None else [name for name in listed if resources.is_quota(name) and name not in within]


def _selector(selector: Object, spec: Object, err: Errors) -> None:
    """Upstream's paths do not say which of the expressions they mean."""
    path, seen = _SPEC.at("scopeSelector", "matchExpressions"), set()
    shown = internal.whole("io.k8s.api.core.v1.ScopeSelector", selector)
    for expression in selector.get("matchExpressions") or ():
        scope, operator = expression.get("scopeName") or "", expression.get("operator") or ""
        values = expression.get("values") or []
        if scope not in SCOPES:
            err.invalid(path.at("scopeName"), scope, _UNSUPPORTED)
        for _ in _unfit(scope, spec):
            err.invalid(path, shown, _UNFIT)
        if scope in _ONLY_EXIST and operator != "Exists":
            err.invalid(path.at("operator"), operator, _MUST_EXIST)
        if operator in ("In", "NotIn"):
            if not values:
                why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                err.required(path.at("values"), why)
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                err.invalid(path.at("values"), values, why)
        else:
            err.invalid(path.at("operator"), operator, "not a valid selector operator")
        seen.add(scope)
    for pair in OPPOSITES:
        if seen.issuperset(pair):
            err.invalid(path, spec.get("scopes"), _CONFLICTING)


_ONLY_EXIST = frozenset((*SCOPES,)) - {"PriorityClass", "VolumeAttributesClass"}
_MUST_EXIST = (
    "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)
