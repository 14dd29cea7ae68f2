"""FlowSchemas: whom they catch, and what is one flow."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.apiserver import requestinfo
from longboat.apiserver.fairness.matching import Schema
from longboat.machinery.objects import Object
from longboat.machinery.user import User

PODS = [{"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "pods/log"], "namespaces": ["a"]}]
NODES = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True}]
PATHS = [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/openapi/*"]}]
ALICE = User("alice", ("g", "system:authenticated"))
ROBOT = User("system:serviceaccount:a:robot", ("system:serviceaccounts",))


def schema(subject: Object, *, resources: Any = None, paths: Any = None, by: str = "") -> Schema:
    rule = {"subjects": [subject], "resourceRules": resources or [], "nonResourceRules": paths or []}
    method = {"distinguisherMethod": {"type": by}} if by else {}
    return Schema({"metadata": {"name": "s", "uid": "u"}, "spec": {"rules": [rule], **method}})


def user(name: str) -> Object:
    return {"kind": "User", "user": {"name": name}}


def account(namespace: str, name: str) -> Object:
    return {"kind": "ServiceAccount", "serviceAccount": {"namespace": namespace, "name": name}}


@pytest.mark.parametrize(
    ("subject", "who", "caught"),
    [
        (user("alice"), ALICE, True),
        (user("bob"), ALICE, False),
        (user("*"), ALICE, True),
        ({"kind": "Group", "group": {"name": "g"}}, ALICE, True),
        ({"kind": "Group", "group": {"name": "h"}}, ALICE, False),
        ({"kind": "Group", "group": {"name": "*"}}, ALICE, True),
        (account("a", "robot"), ROBOT, True),
        (account("a", "*"), ROBOT, True),
        (account("a", "rob"), ROBOT, False),
        (account("b", "*"), ROBOT, False),
        (account("a", "*"), ALICE, False),
        (account("", "*"), User("system:serviceaccount::x"), True),
    ],
)
def test_subjects(subject: Object, who: User, caught: bool) -> None:
    info = requestinfo.parse("GET", "/api/v1/nodes", {})
    assert schema(subject, resources=NODES).catches(who, info) is caught


@pytest.mark.parametrize(
    ("method", "path", "caught"),
    [
        ("GET", "/api/v1/namespaces/a/pods/p", True),
        ("GET", "/api/v1/namespaces/a/pods/p/log", True),
        ("GET", "/api/v1/namespaces/a/pods/p/status", False),
        ("DELETE", "/api/v1/namespaces/a/pods/p", False),
        ("GET", "/api/v1/namespaces/b/pods/p", False),
        ("GET", "/api/v1/pods", False),  # of all namespaces: the rule is of one
        ("GET", "/apis/apps/v1/namespaces/a/pods", False),
        ("GET", "/healthz", True),
        ("GET", "/healthz/ping", False),
        ("GET", "/openapi/v3", True),
        ("POST", "/healthz", False),
    ],
)
def test_rules(method: str, path: str, caught: bool) -> None:
    info = requestinfo.parse(method, path, {})
    assert schema(user("alice"), resources=PODS, paths=PATHS).catches(ALICE, info) is caught


@pytest.mark.parametrize(("by", "flow"), [("ByUser", "alice"), ("ByNamespace", "a"), ("", "")])
def test_flows(by: str, flow: str) -> None:
    info = requestinfo.parse("GET", "/api/v1/namespaces/a/pods", {})
    assert schema(user("alice"), by=by).flow(ALICE, info) == flow
