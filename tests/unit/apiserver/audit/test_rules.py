"""Which rule of a policy holds for a request, what a policy file may say, and that a bad one is found out at once."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import pytest

from integration.apiserver.process import SOURCE
from longboat.apiserver import requestinfo
from longboat.apiserver.audit import policy_file, rules
from longboat.apiserver.audit.rules import METADATA, NONE, Policy
from longboat.apiserver.request import Judged, Request
from longboat.assembly.control_plane import auditing
from longboat.cli import plan, up
from longboat.cli.cluster import Cluster
from longboat.cli.errors import Usage
from longboat.cli.flags import parse
from longboat.cli.server import settings
from longboat.cli.server_options import Options
from longboat.machinery.configfile import BadConfiguration
from longboat.machinery.user import User

TIM = User("tim@k8s.io", ("humans", "developers"))


def request(method: str, path: str, who: User | None = TIM) -> Request:
    async def read_body(limit: int) -> bytes:
        return b""

    made = Request(method, path.partition("?")[0], {}, {}, read_body, user=who)
    made.info = requestinfo.parse(method, made.path, made.query)
    return made


ASKED = {
    "namespaced": request("GET", "/api/v1/namespaces/default/pods/busybox"),
    "cluster": request("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/edit"),
    "nonResource": request("GET", "/logs/kubelet.log"),
    "subresource": request("GET", "/api/v1/namespaces/default/pods/busybox/log"),
    "unauthorized": request("GET", "/api/v1/namespaces/default/pods/busybox", None),
}
# What a rule of level Metadata says, and what it matches (the cases of upstream's own checker tests, and more).
RULES: list[tuple[Any, str]] = [
    ({}, "namespaced cluster nonResource subresource unauthorized"),
    ({"verbs": ["create"]}, ""),
    ({"verbs": ["get"]}, "namespaced cluster nonResource subresource unauthorized"),
    ({"users": ["tim@k8s.io"]}, "namespaced cluster nonResource subresource"),
    ({"users": ["mik@k8s.io"]}, ""),
    ({"userGroups": ["humans"]}, "namespaced cluster nonResource subresource"),
    ({"userGroups": ["cats", "developers"], "users": ["tim@k8s.io"]}, "namespaced cluster nonResource subresource"),
    ({"userGroups": ["cats"]}, ""),
    ({"resources": [{"resources": ["pods"]}]}, "namespaced unauthorized"),
    ({"resources": [{"resources": ["pods/log"]}]}, "subresource"),
    ({"resources": [{"resources": ["pods/*"]}]}, "namespaced subresource unauthorized"),
    ({"resources": [{"resources": ["*/log"]}]}, "subresource"),
    ({"resources": [{"resources": ["*"]}]}, "namespaced subresource unauthorized"),
    ({"resources": [{}]}, "namespaced subresource unauthorized"),
    ({"resources": [{"group": "apps"}]}, ""),
    ({"resources": [{"resources": ["services"]}, {"resources": ["pods"]}]}, "namespaced unauthorized"),
    ({"resources": [{"group": "rbac.authorization.k8s.io", "resources": ["clusterroles"]}]}, "cluster"),
    ({"resources": [{"resources": ["pods"], "resourceNames": ["edit"]}]}, ""),
    ({"resources": [{"resources": ["pods", "pods/*"], "resourceNames": ["busybox"]}]},
     "namespaced subresource unauthorized"),
    ({"namespaces": ["default"]}, "namespaced subresource unauthorized"),
    ({"namespaces": ["kube-system"]}, ""),
    ({"namespaces": [""]}, "cluster"),
    ({"namespaces": ["default"], "resources": [{"group": "rbac.authorization.k8s.io"}]}, ""),
    ({"nonResourceURLs": ["*"]}, "nonResource"),
    ({"nonResourceURLs": ["/logs*"]}, "nonResource"),
    ({"nonResourceURLs": ["/logs/kubelet.log"]}, "nonResource"),
    ({"nonResourceURLs": ["/logs"]}, ""),
    ({"nonResourceURLs": ["/api*"]}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "matched"), RULES)
def test_rules(rule: Any, matched: str) -> None:
    made = rules.policy({"rules": [{"level": METADATA, **rule}]})
    assert {name for name, asked in ASKED.items() if made.judge(asked).level == METADATA} == {*matched.split()}


def test_the_first_that_matches_decides_and_stages_add_up() -> None:
    made = rules.policy({
        "omitStages": ["RequestReceived"], "omitManagedFields": True,
        "rules": [
            {"level": "Request", "verbs": ["create"], "omitStages": ["Panic"], "omitManagedFields": False},
            {"level": NONE, "users": ["tim@k8s.io"]},
            {"level": METADATA},
        ],
    })  # fmt: skip
    created = made.judge(request("POST", "/api/v1/namespaces/default/pods"))
    assert created == Judged("Request", frozenset(("RequestReceived", "Panic")), False)
    assert made.judge(ASKED["namespaced"]).level == NONE
    assert made.judge(ASKED["unauthorized"]) == Judged(METADATA, frozenset(("RequestReceived",)), True)
    assert rules.policy({"rules": [{"level": METADATA, "verbs": ["x"]}]}).judge(ASKED["cluster"]).level == NONE


def test_who_asks_counts_and_not_as_whom() -> None:
    acting = request("GET", "/api/v1/pods", User("root"))
    acting.requester = TIM
    assert rules.policy({"rules": [{"level": METADATA, "users": ["tim@k8s.io"]}]}).judge(acting).level == METADATA


HEAD = "apiVersion: audit.k8s.io/v1\nkind: Policy\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Object 'Kind' is missing"),
        (HEAD + "rules:\n- level: None\n  users: [a", "yaml: line 4"),
        (HEAD.replace("/v1", "/v1beta1") + "rules: [{level: None}]", 'version "audit.k8s.io/v1beta1"'),
        (HEAD, "loaded illegal policy with 0 rules"),
        (HEAD + "rules: [{level: Everything}]",
         'rules[0].level: Unsupported value: "Everything": supported values: "None", "Metadata", "Request"'),
        (HEAD + "rules: [{verbs: [get]}]", "rules[0].level: Required value"),
        (HEAD + "rules: [{level: None, user: [a]}]", 'strict decoding error: unknown field "rules[0].user"'),
        (HEAD + "rules: [{level: None, omitStages: [End]}]",
         'rules[0].omitStages[0]: Invalid value: "End": allowed stages are '
         "RequestReceived,ResponseStarted,ResponseComplete,Panic"),
        (HEAD + "omitStages: [End]\nrules: [{level: None}]", 'omitStages[0]: Invalid value: "End"'),
        (HEAD + "rules: [{level: None}, {level: None, nonResourceURLs: [logs]}]",
         "rules[1].nonResourceURLs[0]: Invalid value: \"logs\": non-resource URL rules must begin with a '/' char"),
        (HEAD + "rules: [{level: None, nonResourceURLs: [/a*b]}]",
         "non-resource URL wildcards '*' must be the final character of the rule"),
        (HEAD + "rules: [{level: None, nonResourceURLs: [/a], namespaces: [b]}]",
         "rules cannot apply to both regular resources and non-resource URLs"),
        (HEAD + "rules: [{level: None, resources: [{group: a/v1}]}]", 'resources.group: Invalid value: "a/v1"'),
        (HEAD + "rules: [{level: None, resources: [{resourceNames: [a]}]}]",
         "using resourceNames requires at least one resource"),
    ],
)  # fmt: skip
def test_bad_files(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    with pytest.raises(BadConfiguration) as raised:
        policy_file.load(file)
    assert why in str(raised.value) and str(file) in str(raised.value)


# Of upstream's own documentation: a policy with all that one may say.
GOOD = (
    HEAD
    + """metadata: {name: everything}
omitStages: [RequestReceived]
rules:
- level: RequestResponse
  resources: [{group: "", resources: [pods]}]
- level: Metadata
  resources: [{group: "", resources: [pods/log, pods/status]}]
- level: None
  resources: [{group: "", resources: [configmaps], resourceNames: [controller-leader]}]
- level: None
  users: ["system:kube-proxy"]
  verbs: [watch]
  resources: [{group: "", resources: [endpoints, services]}]
- level: None
  userGroups: ["system:authenticated"]
  nonResourceURLs: ["/api*", /version]
- level: Request
  resources: [{group: "", resources: [configmaps]}]
  namespaces: [kube-system]
- level: Metadata
  omitStages: [RequestReceived]
"""
)


def test_a_good_file(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(GOOD)
    made = policy_file.load(file)
    assert isinstance(made, Policy) and len(made.rules) == 7
    levels = [made.judge(asked).level for asked in ASKED.values()]
    assert levels == ["RequestResponse", METADATA, METADATA, METADATA, "RequestResponse"]


def test_a_bad_file_stops_the_start(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(HEAD + "rules: [{level: All}]")
    flags = ["--only", "api", "--store", "memory://", "--data-dir", str(tmp_path / "data"), "--listen", "127.0.0.1:0"]
    line = [sys.executable, "-m", "longboat.cli.main", "server", *flags, "--audit-policy-file", str(bad)]
    env = {"PYTHONPATH": SOURCE, "PATH": "/usr/bin"}
    done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert f"the control plane cannot start: {bad}: rules[0].level: Unsupported value" in done.stderr


KUBECONFIG = """{clusters: [{name: c, cluster: {server: "https://audit.example:1/events"}}], current-context: x,
users: [{name: u, user: {token: t}}], contexts: [{name: x, context: {cluster: c, user: u}}]}"""


def test_a_cluster_keeps_what_it_was_told_and_checks_it_first(tmp_path: Path) -> None:
    policy, receiver = tmp_path / "policy.yaml", tmp_path / "receiver.kubeconfig"
    policy.write_text(GOOD)
    receiver.write_text(KUBECONFIG)

    def wished(*flags: str) -> up.Options:
        return parse(up.Options, flags, prog="longboat up", environ={})

    said = up._limits(wished("--audit-policy-file", str(policy)))
    made = Cluster("c", "/nowhere", 1, **said)
    more = wished("--audit-webhook-config-file", str(receiver), "--audit-webhook-batch-max-wait", "1m",
                  "--no-audit-webhook-batch-throttle-enable")  # fmt: skip
    both = up.settle(more, tmp_path, made)
    (server,) = [process for process in plan.plan(both) if process.name == "control-plane"]
    at = server.argv.index("--audit-policy-file")
    assert server.argv[at : at + 7] == (
        "--audit-policy-file", str(policy), "--audit-webhook-config-file", str(receiver),
        "--audit-webhook-batch-max-wait", "1m", "--no-audit-webhook-batch-throttle-enable",
    )  # fmt: skip
    assert up.settle(wished("--audit-policy-file", ""), tmp_path, made).audit == {}
    policy.write_text("rules: []")
    with pytest.raises(Usage, match=r"--audit-policy-file: .*policy.yaml: Object 'Kind' is missing"):
        up.settle(wished(), tmp_path, made)
    with pytest.raises(Usage, match=r"--audit-webhook-config-file: .*: No such file"):
        up.settle(wished("--audit-policy-file", "", "--audit-webhook-config-file", "gone"), tmp_path, made)


def test_the_flags_of_a_server_and_its_configuration_file(tmp_path: Path) -> None:
    receiver, config = tmp_path / "receiver.kubeconfig", tmp_path / "server.yaml"
    receiver.write_text(KUBECONFIG)
    config.write_text(
        f"audit-webhook-config-file: {receiver}\naudit-webhook-mode: blocking-strict\n"
        "audit-webhook-batch-buffer-size: 7\naudit-webhook-batch-max-size: 3\naudit-webhook-batch-max-wait: 1m30s\n"
        "audit-webhook-batch-throttle-qps: 2.5\naudit-webhook-batch-throttle-burst: 4\n"
        "audit-webhook-initial-backoff: 2s\n"
    )
    told = settings(parse(Options, ["--config", str(config)], prog="longboat server", environ={}))
    made = auditing.receiver(told.audit_webhook)
    assert made is not None and made.remote.url == "https://audit.example:1/events"
    assert astuple(replace(made, remote=None))[1:] == ("blocking-strict", 7, 3, 90.0, 2.5, 4, 2.0)
    flags = ["--config", str(config), "--no-audit-webhook-batch-throttle-enable"]
    made = auditing.receiver(settings(parse(Options, flags, prog="longboat server", environ={})).audit_webhook)
    assert made is not None and made.qps == 0
    assert auditing.receiver(settings(Options()).audit_webhook) is None
    for wrong in (
        "--audit-webhook-mode=eager",
        "--audit-webhook-batch-max-size=0",
        "--audit-webhook-batch-throttle-qps=0",
    ):
        with pytest.raises(Usage):
            parse(Options, [wrong], prog="longboat server", environ={})
