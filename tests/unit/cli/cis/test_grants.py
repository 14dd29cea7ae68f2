"""Who has been granted what: rules as RBAC reads them."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.cli.cis import grants


def rule(groups: str, resources: str, verbs: str) -> Any:
    return {"apiGroups": [g.strip("'") for g in groups.split()], "resources": resources.split(), "verbs": verbs.split()}


@pytest.mark.parametrize(
    ("given", "resource", "covers"),
    [
        (rule("''", "secrets", "get"), "secrets", True),
        (rule("''", "secrets", "create"), "secrets", False),
        (rule("apps", "secrets", "get"), "secrets", False),
        (rule("*", "*", "*"), "secrets", True),
        (rule("*", "*", "*"), "nodes/proxy", True),
        (rule("''", "nodes", "get"), "nodes/proxy", False),
        (rule("''", "*/proxy", "get"), "nodes/proxy", True),
        (rule("''", "nodes/*", "get"), "nodes/proxy", True),
    ],
)
def test_a_rule(given: Any, resource: str, covers: bool) -> None:
    assert grants.grants(given, "", resource, {"get", "list"}) is covers


def test_bindings_of_people_are_told_and_those_of_the_cluster_are_not() -> None:
    role = {"kind": "ClusterRole", "metadata": {"name": "reader"}, "rules": [rule("''", "secrets", "get")]}
    local = {"kind": "Role", "metadata": {"name": "reader", "namespace": "n"}, "rules": [rule("''", "pods", "get")]}
    ref = {"kind": "ClusterRole", "name": "reader"}
    jane, robot = {"kind": "User", "name": "jane"}, {"kind": "ServiceAccount", "name": "robot", "namespace": "n"}
    bindings = [
        {"metadata": {"name": "b"}, "roleRef": ref, "subjects": [jane]},
        {"metadata": {"name": "c", "namespace": "n"}, "roleRef": ref, "subjects": [robot]},
        {
            "metadata": {"name": "d", "namespace": "n"},
            "roleRef": {"kind": "Role", "name": "reader"},
            "subjects": [jane],
        },
        {"metadata": {"name": "e", "labels": {grants.DEFAULTS: "rbac-defaults"}}, "roleRef": ref, "subjects": [jane]},
    ]
    found = list(grants.granted([role, local], bindings, "", "secrets", ("get",)))
    assert found == ["User jane (b)", "ServiceAccount n/robot (c)"]


def test_roles_that_say_everything() -> None:
    roles: list[Any] = [
        {"metadata": {"name": "all"}, "rules": [rule("*", "pods", "get")]},
        {"metadata": {"name": "some", "namespace": "n"}, "rules": [rule("''", "pods", "*")]},
        {"metadata": {"name": "fine"}, "rules": [rule("''", "pods", "get")]},
        {"metadata": {"name": "cluster-admin", "labels": {grants.DEFAULTS: "rbac-defaults"}},
         "rules": [rule("*", "*", "*")]},
    ]  # fmt: skip
    assert list(grants.wildcards(roles)) == ["all", "n/some"]
