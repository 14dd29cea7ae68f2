"""What a ResourceQuota covers: which of its resources concern a kind, and which objects are in its scopes. Pure.

Objects are plain dicts, kinds go by their group-qualified plural. What an object uses is in `quota_usage`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from longboat.api.amounts import Amounts, amounts
from longboat.api.qos import BEST_EFFORT, qos_class
from longboat.machinery import selectors
from longboat.machinery.objects import Object, dig

COUNT = "count/"
REQUESTS = "requests."
HUGE_PAGES = "hugepages-"
OF_CLASS = ".storageclass.storage.k8s.io/"
PODS, SERVICES, CLAIMS = "pods", "services", "persistentvolumeclaims"
NOT_COUNTED = frozenset(  # events, and what is never stored
    (
        "events", "events.events.k8s.io", "bindings", "componentstatuses", "tokenreviews.authentication.k8s.io",
        *(
            f"{review}.authorization.k8s.io"
            for review in (
                "subjectaccessreviews", "localsubjectaccessreviews", "selfsubjectaccessreviews",
                "selfsubjectrulesreviews",
            )
        ),
    )
)  # fmt: skip

# Resources of pods, of services and of claims; of other kinds there are but numbers.
COMPUTE = ("cpu", "memory", "ephemeral-storage")
OF_PODS = frozenset(("pods", *COMPUTE, *(f"{part}.{name}" for part in ("requests", "limits") for name in COMPUTE)))
OF_SERVICES = frozenset(("services", "services.nodeports", "services.loadbalancers"))
OF_CLAIMS = ("persistentvolumeclaims", "requests.storage")
ALSO_BY_NAME = frozenset(("configmaps", "resourcequotas", "replicationcontrollers", "secrets"))  # older than count/…


def counted(kind: str) -> str:
    """The name under which the objects of a kind are counted."""
    return COUNT + kind


def concerning(kind: str, names: Iterable[str]) -> set[str]:
    """Which of these resources objects of this kind may use."""
    return {name for name in names if name == counted(kind) or _concerns(kind, name)}


def _concerns(kind: str, name: str) -> bool:
    if kind == PODS:
        return name in OF_PODS or name.startswith((HUGE_PAGES, REQUESTS + HUGE_PAGES)) or is_extended(name)
    if kind == SERVICES:
        return name in OF_SERVICES
    if kind == CLAIMS:
        return name in OF_CLAIMS or name.endswith(tuple(OF_CLASS + each for each in OF_CLAIMS))
    return name in ALSO_BY_NAME and name == kind


def is_extended(name: str) -> bool:
    """Whether a quota's resource is one that somebody else than Kubernetes defines."""
    return name.startswith(REQUESTS) and "/" in name and "kubernetes.io/" not in name


def hard(quota: Object) -> Amounts:
    """The limits that are in force."""
    return amounts(dig(quota, "status", "hard"))


def used(quota: Object) -> Amounts:
    return amounts(dig(quota, "status", "used"))


def matches(quota: Object, kind: str, obj: Object) -> bool:
    """Whether the quota limits anything of this object."""
    return bool(concerning(kind, dig(quota, "status", "hard", default=()))) and in_scopes(quota, kind, obj)


def in_scopes(quota: Object, kind: str, obj: Object) -> bool:
    return all(_in_scope(selector, kind, obj) for selector in scopes(quota))


def matching(selectors: Iterable[Object], kind: str, obj: Object) -> list[Object]:
    """Those of the selectors in whose scope the object is."""
    return [selector for selector in selectors if _in_scope(selector, kind, obj)]


def scopes(quota: Object) -> Iterator[Object]:
    """ScopedResourceSelectorRequirements, of which all have to be met."""
    for name in dig(quota, "spec", "scopes", default=()):
        yield {"scopeName": name, "operator": "Exists"}
    yield from dig(quota, "spec", "scopeSelector", "matchExpressions", default=())


def _in_scope(selector: Object, kind: str, obj: Object) -> bool:
    """Kinds that know nothing of a scope are never in it."""
    scope = selector.get("scopeName")
    if kind == CLAIMS and scope == "VolumeAttributesClass":
        return _selects(selector, _attribute_classes(obj))
    if kind != PODS:
        return False
    spec = obj.get("spec") or {}
    match scope:
        case "Terminating":
            return spec.get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return spec.get("activeDeadlineSeconds") is None
        case "BestEffort":
            return qos_class(spec) == BEST_EFFORT
        case "NotBestEffort":
            return qos_class(spec) != BEST_EFFORT
        case "PriorityClass":
            name = spec.get("priorityClassName")
            return _selects(selector, [name] if name else [])
        case "CrossNamespacePodAffinity":
            return any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in _terms(spec))
    return False


def _selects(selector: Object, values: Iterable[str]) -> bool:
    scope = selector["scopeName"]
    requirement = {"key": scope, "operator": selector.get("operator"), "values": selector.get("values")}
    chosen = selectors.from_api({"matchExpressions": [requirement]})
    return any(chosen.matches({scope: value}) for value in values) if values else chosen.matches({})


def _attribute_classes(claim: Object) -> set[str]:
    """Every VolumeAttributesClass that the claim has, had or wants."""
    named = (
        dig(claim, "spec", "volumeAttributesClassName"),
        dig(claim, "status", "currentVolumeAttributesClassName"),
        dig(claim, "status", "modifyVolumeStatus", "targetVolumeAttributesClassName"),
    )
    return {name for name in named if name}


def _terms(spec: Object) -> Iterator[Object]:
    for part in ("podAffinity", "podAntiAffinity"):
        found = dig(spec, "affinity", part, default={})
        yield from found.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        for weighted in found.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            yield weighted.get("podAffinityTerm") or {}
