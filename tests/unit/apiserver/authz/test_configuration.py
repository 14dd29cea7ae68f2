"""What an AuthorizationConfiguration is refused as, in upstream's words (apis/apiserver/validation)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from longboat.apiserver.authz.configuration import parse
from longboat.machinery.configfile import BadConfiguration

RBAC = {"type": "RBAC", "name": "r"}


def refusal(*authorizers: Any) -> str:
    whole = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthorizationConfiguration"}
    with pytest.raises(BadConfiguration) as found:
        parse(json.dumps(whole | {"authorizers": authorizers}).encode())
    return str(found.value)


def webhook(**said: Any) -> Any:
    base = {
        "timeout": "3s", "failurePolicy": "Deny", "subjectAccessReviewVersion": "v1",
        "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": "/nowhere/k"},
    }  # fmt: skip
    return {"type": "Webhook", "name": "w", "webhook": {key: value for key, value in (base | said).items() if value}}


@pytest.mark.parametrize(
    ("authorizers", "told"),
    [
        ([], "authorizers: Required value: at least one authorization mode must be defined"),
        ([{}], "authorizers[0].type: Required value"),
        ([{"type": "X"}], 'authorizers[0].type: Unsupported value: "X": supported values: "AlwaysAllow", "AlwaysDeny", '
         '"Node", "RBAC", "Webhook"'),
        ([RBAC, RBAC], 'authorizers[1].type: Duplicate value: "RBAC"'),
        ([{"type": "RBAC"}], "authorizers[0].name: Required value"),
        ([RBAC, {"type": "Node", "name": "r"}], 'authorizers[1].name: Duplicate value: "r"'),
        ([{"type": "Node", "name": "A_"}], 'authorizers[0].name: Invalid value: "A_": authorizer name is invalid: a '
         "lowercase RFC 1123 subdomain"),
        ([RBAC | {"webhook": {}}], 'authorizers[0].webhook: Invalid value: "non-null": may only be specified when '
         "type=Webhook"),
        ([{"type": "Webhook", "name": "w"}], "authorizers[0].webhook: Required value: required when type=Webhook"),
        ([webhook(timeout="")], "authorizers[0].timeout: Required value"),
        ([webhook(timeout="31s")], 'authorizers[0].timeout: Invalid value: "31s": must be > 0s and <= 30s'),
        ([webhook(authorizedTTL="-1m")], 'authorizers[0].authorizedTTL: Invalid value: "-1m0s": must be > 0s'),
        ([webhook(unauthorizedTTL="-1s")], 'authorizers[0].unauthorizedTTL: Invalid value: "-1s": must be > 0s'),
        ([webhook(subjectAccessReviewVersion="")], "authorizers[0].subjectAccessReviewVersion: Required value"),
        ([webhook(subjectAccessReviewVersion="v2")],
         'authorizers[0].subjectAccessReviewVersion: Unsupported value: "v2": supported values: "v1", "v1beta1"'),
        ([webhook(failurePolicy="")], "authorizers[0].failurePolicy: Required value"),
        ([webhook(failurePolicy="Fail")], 'authorizers[0].failurePolicy: Unsupported value: "Fail": supported values: '
         '"NoOpinion", "Deny"'),
        ([webhook(connectionInfo=None)], "authorizers[0].connectionInfo.type: Required value"),
        ([webhook(connectionInfo={"type": "KubeConfigFile"})],
         "authorizers[0].connectionInfo.kubeConfigFile: Required value"),
        ([webhook(connectionInfo={"type": "KubeConfigFile", "kubeConfigFile": "k"})],
         'authorizers[0].connectionInfo.kubeConfigFile: Invalid value: "k": must be an absolute path'),
        ([webhook()], 'authorizers[0].connectionInfo.kubeConfigFile: Invalid value: "/nowhere/k": error loading file: '
         "stat /nowhere/k: no such file or directory"),
        ([webhook(connectionInfo={"type": "KubeConfigFile", "kubeConfigFile": "/dev/null"})],
         'authorizers[0].connectionInfo.kubeConfigFile: Invalid value: "/dev/null": must be a regular file'),
    ],
)  # fmt: skip
def test_rules(authorizers: Any, told: str) -> None:
    assert refusal(*authorizers).startswith(told)


@pytest.mark.parametrize(
    ("conditions", "told"),
    [
        ([{"expression": " "}], "matchConditions[0].expression: Required value"),
        ([{"expression": "true"}] * 2, 'matchConditions[1].expression: Duplicate value: "true"'),
        ([{"expression": "request.user"}],
         'matchConditions[0].expression: Invalid value: "request.user": must evaluate to bool'),
        ([{"expression": "request.resourceAttributes.labels == ''"}], 'matchConditions[0].expression: Invalid value: '
         "\"request.resourceAttributes.labels == ''\": compilation failed: ERROR: <input>:1:27: undefined field "
         "'labels'"),
        ([{"expression": str(i)} for i in range(65)], "matchConditions: Too many: 65: must have at most 64 items"),
    ],
)  # fmt: skip
def test_conditions(tmp_path: Path, conditions: Any, told: str) -> None:
    kubeconfig = tmp_path / "k"
    kubeconfig.write_text(
        '{"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], '
        '"clusters": [{"name": "c", "cluster": {"server": "https://a"}}], "users": [{"name": "u", "user": {}}]}'
    )
    connection = {"type": "KubeConfigFile", "kubeConfigFile": str(kubeconfig)}
    given = webhook(connectionInfo=connection, matchConditions=conditions)
    missing = (
        "authorizers[0].matchConditionSubjectAccessReviewVersion: Required value: required if match conditions are"
    )
    assert refusal(given).startswith(f"{missing} specified, authorizers[0].{told}")
    given = webhook(
        connectionInfo=connection, matchConditions=conditions, matchConditionSubjectAccessReviewVersion="v1"
    )
    assert refusal(given).startswith(f"authorizers[0].{told}")
