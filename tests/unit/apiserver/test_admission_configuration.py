"""The file that says how admission plugins are set: what it may say, and that a bad one is found out at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from integration.apiserver.process import SOURCE
from longboat.apiserver.admission.configuration import Configured, load
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


def test_a_bad_file_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "admission.yaml"
    file.write_text(plugin(PODS + "defaults: {enforce: strict}"))
    flags = ["--only", "api", "--store", "memory://", "--data-dir", str(tmp_path / "data"), "--listen", "127.0.0.1:0"]
    line = [sys.executable, "-m", "longboat.cli.main", "server", *flags, "--admission-control-config-file", str(file)]
    env = {"PYTHONPATH": SOURCE, "PATH": "/usr/bin"}
    done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert f"the control plane cannot start: {file}: plugins[0]: defaults.enforce: Invalid value" in done.stderr
