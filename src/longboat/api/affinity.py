"""Node affinity (core/v1): which nodes a pod wants."""

from __future__ import annotations

from collections.abc import Mapping

from longboat.api.view import Part


class NodeRequirement(Part):
    key: str = ""
    operator: str = ""
    values: list[str] = []


class NodeTerm(Part):
    """All expressions and fields must hold; a term without any matches nothing."""

    matchExpressions: list[NodeRequirement] = []
    matchFields: list[NodeRequirement] = []


class NodeSelector(Part):
    """Terms are alternatives."""

    nodeSelectorTerms: list[NodeTerm] = []


class PreferredTerm(Part):
    weight: int = 0
    preference: NodeTerm = NodeTerm()


class NodeAffinity(Part):
    requiredDuringSchedulingIgnoredDuringExecution: NodeSelector | None = None
    preferredDuringSchedulingIgnoredDuringExecution: list[PreferredTerm] = []


def holds(requirement: NodeRequirement, values: Mapping[str, str]) -> bool:
    """Whether one requirement holds for these labels (or fields)."""
    found = values.get(requirement.key)
    match requirement.operator:
        case "In":
            return found is not None and found in requirement.values
        case "NotIn":
            return found is None or found not in requirement.values
        case "Exists":
            return found is not None
        case "DoesNotExist":
            return found is None
        case "Gt" | "Lt":
            return found is not None and _compares(found, requirement)
    return False


def _compares(found: str, requirement: NodeRequirement) -> bool:
    try:
        left, right = int(found), int(requirement.values[0])
    except (ValueError, IndexError):
        return False
    return left > right if requirement.operator == "Gt" else left < right


def term_matches(term: NodeTerm, labels: Mapping[str, str], name: str) -> bool:
    if not term.matchExpressions and not term.matchFields:
        return False
    fields = {"metadata.name": name}
    return all(holds(r, labels) for r in term.matchExpressions) and all(holds(r, fields) for r in term.matchFields)


def selector_matches(selector: NodeSelector, labels: Mapping[str, str], name: str) -> bool:
    return any(term_matches(term, labels, name) for term in selector.nodeSelectorTerms)


def node_wanted(
    node_selector: Mapping[str, str], affinity: NodeAffinity | None, labels: Mapping[str, str], name: str
) -> bool:
    """Whether a pod with this nodeSelector and affinity may run on the node so named and labelled."""
    if any(labels.get(key) != value for key, value in node_selector.items()):
        return False
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity else None
    return required is None or selector_matches(required, labels, name)
