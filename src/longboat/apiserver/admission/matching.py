"""Which requests webhooks and policies are asked about: rules, selectors, and the versions of a resource that mean the
same objects (admissionregistration v1, RuleWithOperations, MatchResources). No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from longboat.api import kinds
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.selectors import LabelSelector
from longboat.registry.admission import Attributes

Equivalents = Callable[[Kind, str], Sequence[Kind]]
"""Of a resource and a subresource: the other served versions of the same objects that have the subresource, too."""

NamespaceLabels = Callable[[str], Mapping[str, str] | None]
"""Those of a namespace; None where it is not there."""


def matched(rules: Iterable[Object], attributes: Attributes, *, exactly: bool, others: Equivalents) -> Kind | None:
    """The version of the request's resource that rules name; None where they do not. Unless they mean it `exactly`, a
    rule also names a resource by another version of it: the request is then to be shown in that."""
    rules = [rule for rule in rules if named(rule, attributes)]
    if any(covers(rule, attributes, attributes.kind) for rule in rules):
        return attributes.kind
    if exactly:
        return None
    for rule in rules:
        for kind in others(attributes.kind, attributes.subresource):
            if covers(rule, attributes, kind):
                return kind
    return None


def covers(rule: Object, attributes: Attributes, kind: Kind) -> bool:
    """Whether a rule covers the request, made in this version of its resource."""
    return (
        _among(rule.get("operations"), attributes.operation)
        and _among(rule.get("apiGroups"), kind.group)
        and _among(rule.get("apiVersions"), kind.version)
        and _in_scope(rule.get("scope") or "*", attributes)
        and any(_names(pattern, kind.plural, attributes.subresource) for pattern in rule.get("resources") or ())
    )


def named(rule: Object, attributes: Attributes) -> bool:
    """Whether a rule of a policy (NamedRuleWithOperations) means objects of this name, too."""
    names = rule.get("resourceNames")
    return not names or name_of(attributes) in names


def name_of(attributes: Attributes) -> str:
    """What the request names; "" where the server makes a name, and has not yet, and for a collection."""
    if attributes.write.collection:
        return ""
    if attributes.operation == "CREATE" and not attributes.subresource and attributes.obj is not None:
        return (attributes.obj.get("metadata") or {}).get("name") or ""
    return attributes.name


def namespace_of(attributes: Attributes) -> str:
    """The namespace that the request is about; a Namespace is in itself."""
    return attributes.name if attributes.kind == kinds.NAMESPACE else attributes.namespace


def labels_of(attributes: Attributes, found: NamespaceLabels) -> Mapping[str, str] | None:
    """Those of the request's namespace, as selectors of namespaces look at them; None where it is not there."""
    if attributes.kind == kinds.NAMESPACE and not attributes.subresource and attributes.obj is not None:
        return (attributes.obj.get("metadata") or {}).get("labels") or {}
    return found(namespace_of(attributes))


def is_about_namespaced(attributes: Attributes) -> bool:
    """Whether selectors of namespaces look at the request at all."""
    return bool(attributes.namespace) or attributes.kind == kinds.NAMESPACE


def selected(selector: LabelSelector, attributes: Attributes) -> bool:
    """By the object as it is to be, or as it was."""
    return selector.empty or _has(selector, attributes.obj) or _has(selector, attributes.old)


def _has(selector: LabelSelector, obj: Object | None) -> bool:
    if obj is None or not isinstance(metadata := obj.get("metadata"), dict):
        return False
    return selector.matches(metadata.get("labels") or {})


def _among(allowed: Sequence[str] | None, value: str) -> bool:
    return allowed is not None and ("*" in allowed or value in allowed)


def _in_scope(scope: str, attributes: Attributes) -> bool:
    in_one = bool(attributes.namespace) and attributes.kind != kinds.NAMESPACE
    return scope == "*" or (scope == "Namespaced") == in_one


def _names(pattern: str, plural: str, subresource: str) -> bool:
    """`pods`, `pods/status`, `pods/*` (which names pods, too), `*`, `*/scale`, `*/*`."""
    resource, slash, part = pattern.partition("/")
    if resource not in ("*", plural):
        return False
    return part in ("*", subresource) if slash else not subresource
