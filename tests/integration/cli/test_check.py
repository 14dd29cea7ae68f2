"""`longboat check cis` against running clusters: what it finds, and that it finds what somebody has spoilt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.apiserver.process import SOURCE, control_plane
from integration.cli.checks import UNMET, failing
from longboat.cli.api import Api
from longboat.cli.cluster import load


class Local:
    """A control plane of `longboat up`, which needs no root."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self._env = os.environ | {"HOME": str(folder), "PYTHONPATH": SOURCE, "XDG_STATE_HOME": str(folder / "state")}
        self._kubeconfig = str(folder / "kubeconfig")

    def longboat(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "longboat.cli.main", command, *arguments, "--data-dir", str(self.data)]
        return subprocess.run(line, env=self._env, capture_output=True, text=True, timeout=90)

    def up(self) -> None:
        done = self.longboat("up", "--nodes", "0", "--kubeconfig", self._kubeconfig, "--name", "checked")
        assert done.returncode == 0, done.stderr

    def check(self) -> tuple[int, dict[str, dict[str, str]]]:
        """The exit code, and the controls by number."""
        done = self.longboat("check", "cis", "--output", "json")
        assert done.stderr == ""
        return done.returncode, {control["number"]: control for control in json.loads(done.stdout)["controls"]}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    found = Local(tmp_path_factory.mktemp("checked"))
    found.up()
    yield found
    found.longboat("down", "--purge")


def test_a_cluster_as_it_comes(local: Local) -> None:
    code, controls = local.check()
    assert (set(failing(controls)), code) == (UNMET, 1), failing(controls)
    assert all(controls[number]["remedy"] for number in UNMET)
    assert "tried now" in controls["3.2.2"]["reason"]  # it did look
    assert {control["state"] for control in controls.values()} == {"PASS", "FAIL", "MANUAL", "NOT APPLICABLE"}
    text = local.longboat("check", "cis").stdout
    assert "FAIL            1.2.9" in text and text.splitlines()[-1].endswith("NOT APPLICABLE")
    made = Api(_cluster(local)).get("/api/v1/namespaces/default/pods")[1]
    assert made["items"] == []  # and it made nothing


def test_what_somebody_spoils_is_found(local: Local) -> None:
    key, settings = local.data / "pki" / "admin.key", local.data / "cluster.json"
    key.chmod(0o640)
    settings.chmod(0o644)
    api = Api(_cluster(local))
    rbac, subject = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {"kind": "User", "name": "mallory"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    binding = {"metadata": {"name": "too-much"}, "subjects": [subject], "roleRef": role}
    context: Any = {"privileged": True}
    pod = {"metadata": {"name": "bad"}, "spec": {"hostPID": True, "containers": [
        {"name": "c", "image": "i", "securityContext": context}]}}  # fmt: skip
    try:
        assert api.ask("POST", rbac, binding)[0] == 201
        assert api.ask("POST", "/api/v1/namespaces/default/pods", pod)[0] == 201
        code, controls = local.check()
        found = failing(controls)
        assert code == 1 and set(found) == UNMET | {"1.1.21", "1.1.1", "1.1.3", "1.1.5", "1.1.7"}
        assert f"{key} is 0640" in found["1.1.21"] and "0644" in found["1.1.1"]
        for number, words in {
            "5.1.1": "User mallory", "5.1.2": "User mallory (too-much)", "5.1.10": "User mallory",
            "5.2.1": "default", "5.2.2": "default/bad", "5.2.3": "default/bad", "5.2.7": "default/bad",
            "5.6.4": "pod bad",
        }.items():  # fmt: skip
            assert controls[number]["state"] == "MANUAL" and words in controls[number]["reason"], controls[number]
        assert "bad" not in controls["5.2.4"]["reason"]
    finally:
        key.chmod(0o600)
        settings.chmod(0o600)
        api.ask("DELETE", f"{rbac}/too-much")
        api.ask("DELETE", "/api/v1/namespaces/default/pods/bad?gracePeriodSeconds=0")


def test_what_it_says_of_a_stopped_cluster_and_of_other_words(local: Local, tmp_path: Path) -> None:
    wrong = local.longboat("check", "pci")
    assert (wrong.returncode, "say: longboat check cis" in wrong.stderr) == (2, True)
    nothing = Local(tmp_path).longboat("check", "cis")
    assert nothing.returncode == 1 and "there is no cluster in" in nothing.stderr


def test_a_server_that_somebody_else_started_is_looked_at_with_its_own_flags(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.csv"
    tokens.write_text("hunter2,jane,1,devs\n")
    tokens.chmod(0o600)
    weak = ("--token-file", str(tokens), "--audit-log-maxage", "7", "--service-account-extend-token-expiration")
    with control_plane(tmp_path, *weak) as plane:
        env = os.environ | {"HOME": str(tmp_path), "PYTHONPATH": SOURCE}
        line = [sys.executable, "-m", "longboat.cli.main", "check", "cis", "--output", "json"]
        done = subprocess.run(
            [*line, "--data-dir", str(plane.data)], env=env, capture_output=True, text=True, timeout=90
        )
        assert done.stderr == "" and done.returncode == 1
        controls = {control["number"]: control for control in json.loads(done.stdout)["controls"]}
        assert set(failing(controls)) == UNMET | {"1.2.2", "1.2.17", "1.2.30"}, failing(controls)
        assert "--audit-log-maxage=7" in controls["1.2.17"]["reason"] and "hunter2" not in done.stdout
    gone = subprocess.run([*line, "--data-dir", str(plane.data)], env=env, capture_output=True, text=True, timeout=90)
    assert gone.returncode == 1 and "no control plane" in gone.stderr


def _cluster(local: Local) -> Any:
    found = load(local.data)
    assert found is not None
    return found
