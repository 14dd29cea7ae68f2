"""Where a pod may run: affinity, tolerations, spread, gates."""

from __future__ import annotations

from collections import Counter

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds import rules

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
REQUIRED, PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)


def tolerations(found: list[Object], path: Path, err: Errors) -> None:
    for i, toleration in enumerate(found):
        _toleration(toleration, path.index(i), err)


def _toleration(found: Object, path: Path, err: Errors) -> None:
    key, operator, value = found.get("key") or "", found.get("operator") or "", found.get("value") or ""
    effect = found.get("effect") or ""
    if key:
        rules.label_name(key, path.at("key"), err)
    elif operator != "Exists":
        why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        err.invalid(path.at("operator"), operator, why)
    if found.get("tolerationSeconds") is not None and effect != "NoExecute":
        err.invalid(path.at("effect"), effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
    if operator in ("", "Equal"):
        if wrong := names.label_value(value):
            err.invalid(path.at("operator"), value, ";".join(wrong))
    elif operator == "Exists":
        if value:
            err.invalid(path.at("operator"), value, "value must be empty when `operator` is 'Exists'")
    elif operator in ("Lt", "Gt"):  # a feature that is off by default (KEP-5471)
        err.not_supported(path.at("operator"), operator, ("Equal", "Exists", "Lt", "Gt"), as_given=True)
    else:
        err.not_supported(path.at("operator"), operator, ("Equal", "Exists"))
    if effect:
        rules.one_of(effect, EFFECTS, path.at("effect"), err, as_given=True)


def affinity(found: Object | None, path: Path, err: Errors) -> None:
    if found is None:
        return
    if (node := found.get("nodeAffinity")) is not None:
        _node_affinity(node, path.at("nodeAffinity"), err)
    for field in ("podAffinity", "podAntiAffinity"):
        if (pods := found.get(field)) is not None:
            _pod_affinity(pods, path.at(field), err)


def _node_affinity(found: Object, path: Path, err: Errors) -> None:
    if (required := found.get(REQUIRED)) is not None:
        node_selector(required, path.at(REQUIRED), err)
    for i, preferred in enumerate(found.get(PREFERRED) or ()):
        at = path.at(PREFERRED).index(i)
        _weight(preferred, at, err)
        _node_term(preferred.get("preference") or {}, at.at("preference"), err, any_value=True)


def _weight(found: Object, path: Path, err: Errors) -> None:
    weight = found.get("weight") or 0
    if not 1 <= weight <= 100:
        err.invalid(path.at("weight"), weight, "must be in the range 1-100")


def node_selector(found: Object, path: Path, err: Errors) -> None:
    terms = found.get("nodeSelectorTerms") or []
    if not terms:
        err.required(path.at("nodeSelectorTerms"), "must have at least one node selector term")
    for i, term in enumerate(terms):
        _node_term(term, path.at("nodeSelectorTerms").index(i), err)


def _node_term(term: Object, path: Path, err: Errors, *, any_value: bool = False) -> None:
    """`any_value`: as preferences may have, that no node has."""
    for i, requirement in enumerate(term.get("matchExpressions") or ()):
        _node_requirement(requirement, path.at("matchExpressions").index(i), err, any_value=any_value)
    for i, requirement in enumerate(term.get("matchFields") or ()):
        _node_field(requirement, path.at("matchFields").index(i), err)


def _node_requirement(found: Object, path: Path, err: Errors, *, any_value: bool) -> None:
    operator, values = found.get("operator") or "", found.get("values") or []
    if operator in ("In", "NotIn"):
        if not values:
            err.required(path.at("values"), "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            err.forbidden(path.at("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            err.required(path.at("values"), "must be specified single value when `operator` is 'Lt' or 'Gt'")
    else:
        err.invalid(path.at("operator"), operator, "not a valid selector operator")
    rules.label_name(found.get("key") or "", path.at("key"), err)
    for i, value in enumerate(() if any_value else values):
        err.extend(path.at("values").index(i), names.label_value(value), value)


def _node_field(found: Object, path: Path, err: Errors) -> None:
    key, operator, values = found.get("key") or "", found.get("operator") or "", found.get("values") or []
    if operator not in ("In", "NotIn"):
        err.invalid(path.at("operator"), operator, "not a valid selector operator")
    elif len(values) != 1:
        why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        err.required(path.at("values"), why)
    if key != "metadata.name":
        err.invalid(path.at("key"), key, "not a valid field selector key")
        return
    for i, value in enumerate(values):
        err.extend(path.at("values").index(i), names.dns1123_subdomain(value), value)


def _pod_affinity(found: Object, path: Path, err: Errors) -> None:
    for i, term in enumerate(found.get(REQUIRED) or ()):
        _pod_term(term, path.at(REQUIRED).index(i), err)
    for i, preferred in enumerate(found.get(PREFERRED) or ()):
        at = path.at(PREFERRED).index(i)
        _weight(preferred, at, err)
        _pod_term(preferred.get("podAffinityTerm") or {}, at.at("podAffinityTerm"), err)


def _pod_term(term: Object, path: Path, err: Errors) -> None:
    for field in ("labelSelector", "namespaceSelector"):
        rules.label_selector(term.get(field), path.at(field), err)
    for name in term.get("namespaces") or ():
        err.extend(path.at("namespace"), names.dns1123_label(name), name)
    _label_keys(term, path, err)
    topology = term.get("topologyKey") or ""
    if not topology:
        err.required(path.at("topologyKey"), "can not be empty")
    rules.label_name(topology, path.at("topologyKey"), err)


def _label_keys(found: Object, path: Path, err: Errors) -> None:
    """matchLabelKeys and mismatchLabelKeys, which refine a labelSelector."""
    keys = {field: found.get(field) or [] for field in ("matchLabelKeys", "mismatchLabelKeys")}
    selector = found.get("labelSelector")
    for field, listed in keys.items():
        if listed and selector is None:
            err.forbidden(path.at(field), "must not be specified when labelSelector is not set")
            continue
        for i, key in enumerate(listed):
            rules.label_name(key, path.at(field).index(i), err)
    if selector is not None:
        # A key that was merged into the selector stands there once; one that stands there twice is the user's, too.
        places, seen = {key: i for i, key in enumerate(keys["matchLabelKeys"])}, set(selector.get("matchLabels") or ())
        for expression in selector.get("matchExpressions") or ():
            key = expression.get("key") or ""
            if key in places and key in seen:
                err.invalid(path.index(places[key]), key, "exists in both matchLabelKeys and labelSelector")
            seen.add(key)
    both = frozenset(keys["mismatchLabelKeys"])
    for i, key in enumerate(keys["matchLabelKeys"]):
        if key in both:
            err.invalid(path.at("matchLabelKeys").index(i), key, "exists in both matchLabelKeys and mismatchLabelKeys")


def topology_spread(found: list[Object], path: Path, err: Errors) -> None:
    still = Counter((other.get("topologyKey") or "", other.get("whenUnsatisfiable") or "") for other in found)
    for i, constraint in enumerate(found):
        at = path.index(i)
        skew, topology = constraint.get("maxSkew") or 0, constraint.get("topologyKey") or ""
        unsatisfiable = constraint.get("whenUnsatisfiable") or ""
        if skew <= 0:
            err.invalid(at.at("maxSkew"), skew, "must be greater than zero")
        if not topology:
            err.required(at.at("topologyKey"), "can not be empty")
        if unsatisfiable not in ("DoNotSchedule", "ScheduleAnyway"):
            err.not_supported(at.at("whenUnsatisfiable"), unsatisfiable, ("DoNotSchedule", "ScheduleAnyway"))
        still[topology, unsatisfiable] -= 1
        if still[topology, unsatisfiable]:
            err.duplicate(at.at("{topologyKey, whenUnsatisfiable}"), f"{{{topology}, {unsatisfiable}}}")
        _min_domains(constraint, at, err)
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            if (policy := constraint.get(field)) is not None and policy not in ("Honor", "Ignore"):
                err.not_supported(at.at(field), policy, ("Honor", "Ignore"))
        _label_keys({k: v for k, v in constraint.items() if k != "mismatchLabelKeys"}, at, err)
        rules.label_selector(constraint.get("labelSelector"), at.at("labelSelector"), err)


def _min_domains(constraint: Object, path: Path, err: Errors) -> None:
    least, unsatisfiable = constraint.get("minDomains"), constraint.get("whenUnsatisfiable") or ""
    if least is None:
        return
    if least <= 0:
        err.invalid(path.at("minDomains"), least, "must be greater than zero")
    if unsatisfiable != "DoNotSchedule":
        why = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {unsatisfiable}"
        err.invalid(path.at("minDomains"), least, why)


def gates(found: list[Object], path: Path, err: Errors) -> None:
    seen: set[str] = set()
    for i, gate in enumerate(found):
        name = gate.get("name") or ""
        err.extend(path.index(i), names.qualified_name(name), name)
        if name in seen:
            err.duplicate(path.index(i), name)
        seen.add(name)
