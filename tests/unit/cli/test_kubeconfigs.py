"""A kubeconfig is a person's own file: only a cluster's entries in it are ours."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from longboat.cli import kubeconfigs
from longboat.cli.errors import Failure

ADMIN = {
    "clusters": [{"name": "any", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "any", "user": {"client-key-data": "secret"}}],
}
OTHER: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "preferences": {"colors": True},
    "clusters": [{"name": "prod", "cluster": {"server": "https://prod"}}],
    "users": [{"name": "prod", "user": {"token": "t"}}],
    "contexts": [{"name": "prod", "context": {"cluster": "prod", "user": "prod"}}],
    "current-context": "prod",
}


def test_merging_keeps_everything_else_and_makes_the_context_current() -> None:
    found = kubeconfigs.merged(OTHER, ADMIN, "longboat")
    assert [c["name"] for c in found["contexts"]] == ["prod", "longboat"]
    assert found["clusters"][0] == OTHER["clusters"][0] and found["preferences"] == OTHER["preferences"]
    assert found["current-context"] == "longboat"
    assert kubeconfigs.merged(found, ADMIN, "longboat") == found


def test_a_namespace_chosen_for_the_context_is_kept() -> None:
    found = kubeconfigs.merged(OTHER, ADMIN, "longboat")
    found["contexts"][1]["context"]["namespace"] = "shop"
    assert kubeconfigs.merged(found, ADMIN, "longboat")["contexts"][1]["context"]["namespace"] == "shop"


def test_taking_out_leaves_what_was_there() -> None:
    found = kubeconfigs.without(kubeconfigs.merged(OTHER, ADMIN, "longboat"), "longboat")
    assert found == OTHER | {"current-context": ""}
    assert kubeconfigs.without(OTHER, "longboat") == OTHER


def test_the_file_is_private_and_a_link_stays_one(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "config"
    real.write_text(yaml.safe_dump(OTHER))
    link.symlink_to(real)
    kubeconfigs.install(link, ADMIN, "longboat")
    assert link.is_symlink() and stat.S_IMODE(real.stat().st_mode) == 0o600
    kubeconfigs.uninstall(link, "longboat")
    assert kubeconfigs.read(real)["users"] == OTHER["users"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_first_writable_file_of_the_variable_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setenv("KUBECONFIG", f"{first}{os.pathsep}{second}")
    assert kubeconfigs.target("") == first
    assert kubeconfigs.target(str(second)) == second
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SUDO_UID", raising=False)
    assert kubeconfigs.target("") == tmp_path / ".kube" / "config"


@pytest.mark.parametrize("text", ["[]", "a: ["])
def test_a_file_that_is_no_kubeconfig_is_left_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    with pytest.raises(Failure, match=str(file)):
        kubeconfigs.install(file, ADMIN, "longboat")
    assert file.read_text() == text
