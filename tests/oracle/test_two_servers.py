"""The same scenarios on two live servers: in memory and on SQLite they are answered alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from oracle.corpus import Scenario, scenarios
from oracle.player import Server, against_each_other
from oracle.report import told
from oracle.server import opened, reached

# Versions, conflicts, deletion, paging's errors, generated names, addresses and ports: what storage has a part in.
SHARED = ("misc/resource-version-rules", "misc/delete-options", "validation/lease", "validation/service-2")


@pytest.fixture(scope="module")
def on_disk() -> Iterator[Server]:
    with opened("sqlite") as server:
        yield server


@pytest.mark.parametrize("scenario", [*scenarios(SHARED)], ids=str)
def test_sqlite_answers_as_memory(scenario: Scenario, server: Server, on_disk: Server) -> None:
    played = against_each_other(scenario, server, on_disk)
    assert played, "the scenario has no steps that are compared"
    different = [step for step in played if step.differences]
    assert not different, "\n".join(told(step, names=("memory", "sqlite")) for step in different[:20])


def test_what_one_server_answers_otherwise_is_found(server: Server, tmp_path: Path) -> None:
    stranger = json.loads(server.kubeconfig.read_text())
    stranger["users"][0]["user"] = {"token": "nobody's"}
    (tmp_path / "kubeconfig").write_text(json.dumps(stranger))
    (scenario,) = scenarios(["misc/self-subject-review"])
    with reached(tmp_path / "kubeconfig") as other:
        played = against_each_other(scenario, server, other)
    assert ("status", 201, 401) in played[0].differences
