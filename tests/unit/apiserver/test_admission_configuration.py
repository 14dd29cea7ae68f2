"""The file that says how admission plugins are set: what it may say, and that a bad one is found out at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from integration.apiserver.process import SOURCE
from longboat.apiserver.admission import image_policy
from longboat.apiserver.admission.configuration import Configured, load
from longboat.apiserver.admission.event_rate import Limit
from longboat.apiserver.admission.limited_resources import Limited
from longboat.apiserver.admission.pod_security.levels import NONE, Policy, Standard
from longboat.apiserver.admission.pod_security.settings import Settings
from longboat.machinery.configfile import BadConfiguration

HEAD = "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\n"
PODS = "apiVersion: pod-security.admission.config.k8s.io/v1\nkind: PodSecurityConfiguration\n"
SAYS = """defaults:
  enforce: baseline
  enforce-version: v1.30
  audit: restricted
exemptions:
  usernames: [mary]
  runtimeClasses: [box]
  namespaces: [kube-system]
"""
MEANS = Settings(
    Policy(Standard("baseline", 30), Standard("restricted"), NONE),
    frozenset(("kube-system",)), frozenset(("mary",)), frozenset(("box",)),
)  # fmt: skip


def plugin(text: str) -> str:
    """A file with the plugin's settings in it."""
    inner = "".join(f"    {line}\n" for line in text.splitlines())
    return f"{HEAD}plugins:\n- name: PodSecurity\n  configuration:\n{inner}"


def test_settings_stand_in_the_file_or_beside_it(tmp_path: Path) -> None:
    file, beside = tmp_path / "admission.yaml", tmp_path / "pods.yaml"
    beside.write_text(PODS + SAYS)
    for text in (plugin(PODS + SAYS), f"{HEAD}plugins: [{{name: PodSecurity, path: pods.yaml}}]"):
        file.write_text(text)
        assert load(file).pod_security == MEANS
    for text in (HEAD, f"{HEAD}plugins: [{{name: PodSecurity}}]", plugin(PODS)):
        file.write_text(text)
        assert load(file) == load(None) == Configured()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Object 'Kind' is missing"),
        (HEAD + "plugins: [", "line 3"),
        (HEAD.replace("/v1", "/v2"), "is registered for version \"apiserver.config.k8s.io/v2\""),
        (HEAD + "plugin: []", 'strict decoding error: unknown field "plugin"'),
        (HEAD + "plugins: [{name: Sheriff}]", 'plugins[0]: the plugin "Sheriff" takes no configuration here'),
        (HEAD + "plugins: [{name: PodSecurity}, {name: PodSecurity}]", "plugins[1]: PodSecurity is configured twice"),
        (HEAD + "plugins: [{name: PodSecurity, path: nowhere.yaml}]", "nowhere.yaml: No such file or directory"),
        (plugin(PODS + "default: {}"), 'plugins[0].configuration: strict decoding error: unknown field "default"'),
        (plugin(PODS + "defaults: {enforce: strict}"),
         'defaults.enforce: Invalid value: "strict": must be one of privileged, baseline, restricted'),
        (plugin(PODS + "defaults: {warn-version: 1.30x}"),
         'defaults.warn-version: Invalid value: "1.30x": must be "latest" or "v1.x"'),
        (plugin(PODS + "exemptions: {namespaces: [A]}"), 'exemptions.namespaces[0]: Invalid value: "A": a lowercase'),
        (plugin(PODS + "exemptions: {usernames: ['']}"), "exemptions.usernames[0]: Required value"),
        (plugin(PODS + "exemptions: {runtimeClasses: [a, a]}"), 'exemptions.runtimeClasses[1]: Duplicate value: "a"'),
    ],
)  # fmt: skip
def test_bad_files(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "admission.yaml"
    file.write_text(text)
    with pytest.raises(BadConfiguration) as raised:
        load(file)
    assert why in str(raised.value) and str(tmp_path) in str(raised.value)


def other(name: str, text: str) -> str:
    return plugin(text).replace("PodSecurity", name, 1)


EVENTS = "apiVersion: eventratelimit.admission.k8s.io/v1alpha1\nkind: Configuration\n"
TOLERATIONS = "apiVersion: podtolerationrestriction.admission.k8s.io/v1alpha1\nkind: Configuration\n"
IMAGES = "imagePolicy: {kubeConfigFile: reviewer.kubeconfig, allowTTL: 50, denyTTL: -1, defaultAllow: true}"
QUOTAS = "apiVersion: apiserver.config.k8s.io/v1\nkind: ResourceQuotaConfiguration\n"
REVIEWER = """{clusters: [{name: c, cluster: {server: "https://images.example:1/review"}}], current-context: x,
users: [{name: u, user: {token: t}}], contexts: [{name: x, context: {cluster: c, user: u}}]}"""


def test_settings_of_plugins_that_are_off_by_default(tmp_path: Path) -> None:
    (tmp_path / "reviewer.kubeconfig").write_text(REVIEWER)
    file = tmp_path / "admission.yaml"

    def told(name: str, text: str) -> Configured:
        file.write_text(other(name, text))
        return load(file, [name])

    limits = "limits: [{type: Server, qps: 5, burst: 10}, {type: User, qps: 1, burst: 2, cacheSize: 3}]"
    assert told("EventRateLimit", EVENTS + limits).event_limits == (Limit("Server", 5, 10), Limit("User", 1, 2, 3))
    chosen = "podNodeSelectorPluginConfig: {clusterDefaultNodeSelector: 'a=b,c=d', prod: 'e=f', any: ''}"
    assert told("PodNodeSelector", chosen).node_selectors == {
        "clusterDefaultNodeSelector": {"a": "b", "c": "d"}, "prod": {"e": "f"}, "any": {},
    }  # fmt: skip
    tolerated = "default: [{key: k, operator: Exists}]\nwhitelist: [{operator: Exists, tolerationSeconds: 5}]"
    found = told("PodTolerationRestriction", TOLERATIONS + tolerated).tolerations
    assert found.default == ({"key": "k", "operator": "Exists"},)
    assert found.listed == ({"operator": "Exists", "tolerationSeconds": 5},)
    limited = "limitedResources: [{resource: pods, matchContains: [cpu], matchScopes: [{scopeName: PriorityClass}]}]"
    assert told("ResourceQuota", QUOTAS + limited).limited == (
        Limited("", "pods", ("cpu",), ({"scopeName": "PriorityClass"},)),
    )
    found_policy = told("ImagePolicyWebhook", IMAGES)
    assert found_policy.image_policy == image_policy.Settings("reviewer.kubeconfig", 50.0, 0.0, 0.5, True)
    assert found_policy.image_reviewer is not None
    assert found_policy.image_reviewer.url == "https://images.example:1/review"
    assert found_policy.image_reviewer.token == "t"


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("EventRateLimit", EVENTS, "limits: Invalid value: null: must not be empty"),
        ("EventRateLimit", EVENTS + "limits: [{type: Pod, qps: 1, burst: 1}]",
         'limits[0].type: Unsupported value: "Pod": supported values: "Namespace", "Server", "SourceAndObject", "Us'),
        ("EventRateLimit", EVENTS + "limits: [{type: User, qps: 0, burst: -1, cacheSize: -1}]",
         "limits[0].burst: Invalid value: -1: must be positive, limits[0].qps: Invalid value: 0: must be positive, "
         "limits[0].cacheSize: Invalid value: -1: must not be negative"),
        ("PodNodeSelector", "podNodeSelectorPluginConfig: {a: b}", "invalid selector: b"),
        ("PodNodeSelector", "podNodeSelectorConfig: {a: b=c}", 'unknown field "podNodeSelectorConfig"'),
        ("PodTolerationRestriction", TOLERATIONS + "default: [{keys: a}]", 'unknown field "default[0].keys"'),
        ("ImagePolicyWebhook", "imagePolicy: {allowTTL: 3600}", "imagePolicy.kubeConfigFile: Required value"),
        ("ImagePolicyWebhook", "imagePolicy: {kubeConfigFile: x, allowTTL: 3600}", "valid value is between 1 and 1800"),
        ("ResourceQuota", QUOTAS + "limitedResources: [{apiGroup: apps}]", "limitedResources[0].resource: Required"),
        ("ImagePolicyWebhook", IMAGES, "reviewer.kubeconfig: No such file or directory"),
    ],
)  # fmt: skip
def test_bad_settings_of_other_plugins(tmp_path: Path, name: str, text: str, why: str) -> None:
    file = tmp_path / "admission.yaml"
    file.write_text(other(name, text))
    with pytest.raises(BadConfiguration) as raised:
        load(file, [name])
    assert why in str(raised.value) and str(tmp_path) in str(raised.value)


def test_what_is_configured_runs_and_what_needs_a_configuration_has_one(tmp_path: Path) -> None:
    file = tmp_path / "admission.yaml"
    file.write_text(other("PodNodeSelector", "podNodeSelectorPluginConfig: {a: b=c}"))
    with pytest.raises(BadConfiguration, match="PodNodeSelector is configured and not enabled"):
        load(file, ["PodSecurity"])
    for given in (None, file):
        with pytest.raises(BadConfiguration, match="EventRateLimit needs a configuration"):
            load(given, ["PodNodeSelector", "EventRateLimit"])


def test_a_bad_file_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "admission.yaml"
    file.write_text(plugin(PODS + "defaults: {enforce: strict}"))
    flags = ["--only", "api", "--store", "memory://", "--data-dir", str(tmp_path / "data"), "--listen", "127.0.0.1:0"]
    line = [sys.executable, "-m", "longboat.cli.main", "server", *flags, "--admission-control-config-file", str(file)]
    env = {"PYTHONPATH": SOURCE, "PATH": "/usr/bin"}
    done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert f"the control plane cannot start: {file}: plugins[0]: defaults.enforce: Invalid value" in done.stderr
