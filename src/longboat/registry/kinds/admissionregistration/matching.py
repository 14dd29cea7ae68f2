"""Which requests webhooks and policies are asked about: rules, selectors, and conditions (admissionregistration/v1)."""

from __future__ import annotations

from collections.abc import Collection

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds import rules
from longboat.registry.kinds.admissionregistration.compiler import Compiler

OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
SCOPES = ("*", "Cluster", "Namespaced")
FAILURE_POLICIES, MATCH_POLICIES = ("Fail", "Ignore"), ("Equivalent", "Exact")
MOST_CONDITIONS = 64


def rule(found: Object, path: Path, err: Errors) -> None:
    """A RuleWithOperations."""
    operations = found.get("operations") or []
    if not operations:
        err.required(path.at("operations"))
    _alone(operations, path.at("operations"), "operations", err)
    for i, operation in enumerate(operations):
        if operation not in OPERATIONS:
            err.not_supported(path.at("operations").index(i), operation, OPERATIONS)
    for field, called in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        values = found.get(field) or []
        if not values:
            err.required(path.at(field))
        _alone(values, path.at(field), called, err)
    for i, version in enumerate(found.get("apiVersions") or ()):
        if not version:
            err.required(path.at("apiVersions").index(i))
    _resources(found.get("resources") or [], path.at("resources"), err)
    one_of_set(found.get("scope"), SCOPES, path.at("scope"), err)


def one_of_set(value: str | None, allowed: Collection[str], path: Path, err: Errors) -> None:
    """A word that may be left out, but not be empty."""
    if value is not None and value not in allowed:
        err.not_supported(path, value, allowed)


def _alone(values: list[str], path: Path, called: str, err: Errors) -> None:
    if len(values) > 1 and "*" in values:
        err.invalid(path, values, f"if '*' is present, must not specify other {called}")


def _resources(found: list[str], path: Path, err: Errors) -> None:
    """Resources and subresources: what a wildcard before it covers may not be named again."""
    if not found:
        err.required(path)
    all_parts: set[str] = set()  # of these resources all subresources are named
    everywhere: set[str] = set()  # these subresources are named of all resources
    plain = False  # whether the last one without a subresource is a name
    for i, each in enumerate(found):
        if not each:
            err.required(path.index(i))
            continue
        resource, slash, part = each.partition("/")
        if not slash:
            plain = each != "*"
            continue
        if resource in all_parts:
            err.invalid(path.index(i), each, f"if '{resource}/*' is present, must not specify {each}")
        if part in everywhere:
            err.invalid(path.index(i), each, f"if '*/{part}' is present, must not specify {each}")
        if part == "*":
            all_parts.add(resource)
        if resource == "*":
            everywhere.add(part)
    if len(found) > 1 and "*/*" in found:
        err.invalid(path, found, "if '*/*' is present, must not specify other resources")
    if "*" in found and plain:
        err.invalid(path, found, "if '*' is present, must not specify other resources without subresources")


def resources(found: Object, path: Path, err: Errors) -> None:
    """The MatchResources of a policy or a binding."""
    policy = found.get("matchPolicy")
    if policy is None:
        err.required(path.at("matchPolicy"))
    one_of_set(policy, MATCH_POLICIES, path.at("matchPolicy"), err)
    for field in ("namespaceSelector", "objectSelector"):
        if found.get(field) is None:
            err.required(path.at(field))
        rules.label_selector(found.get(field), path.at(field), err)
    for field in ("resourceRules", "excludeResourceRules"):
        for i, each in enumerate(found.get(field) or ()):
            _named_rule(each, path.at(field).index(i), err)


def _named_rule(found: Object, path: Path, err: Errors) -> None:
    given, at = found.get("resourceNames") or [], path.at("resourceNames")
    repeated = set(rules.repeated(given))
    for i, name in enumerate(given):
        err.extend(at.index(i), names.path_segment(name), name)
        if i in repeated:
            err.duplicate(at.index(i), name)
    rule(found, path, err)


def conditions(found: list[Object], path: Path, err: Errors, *, params: bool = False) -> None:
    """Match conditions. `params`: they may speak of parameters."""
    compiler = Compiler(params=params)
    if len(found) > MOST_CONDITIONS:
        err.too_many(path, len(found), MOST_CONDITIONS)
    repeated = set(rules.repeated(condition.get("name") for condition in found))
    for i, condition in enumerate(found):
        at, name = path.index(i), condition.get("name") or ""
        if text := (condition.get("expression") or "").strip():
            compiler.condition(text, at.at("expression"), err)
        else:
            err.required(at.at("expression"))
        if not name:
            err.required(at.at("name"))
        else:
            rules.label_name(name, at.at("name"), err)
            if i in repeated:
                err.duplicate(at.at("name"), name)
