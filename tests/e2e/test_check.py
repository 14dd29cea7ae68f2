"""`longboat check cis` where there are real nodes."""

from __future__ import annotations

import json

import pytest

from e2e.host import Cluster
from integration.cli.checks import UNMET, failing


@pytest.mark.containers
def test_real_nodes_are_looked_at(cluster: Cluster) -> None:
    done = cluster.longboat("check", "cis", "--output", "json", "--data-dir", str(cluster.host.data))
    controls = {control["number"]: control for control in json.loads(done.out)["controls"]}
    assert set(failing(controls)) == UNMET, failing(controls)
    assert "--seccomp-default=true" in controls["4.2.14"]["reason"] and controls["5.6.2"]["state"] == "PASS"
    nodes = {number: control for number, control in controls.items() if number.startswith("4.")}
    unlooked = {number for number, control in nodes.items() if control["state"] == "NOT APPLICABLE"}
    assert unlooked == {"4.1.1", "4.1.2", "4.1.9", "4.1.10", "4.2.6"}
    assert controls["1.1.9"]["state"] == "PASS"
    assert all(
        words in controls["1.1.9"]["reason"] for words in ("longboat.conflist at most 600", "networks at most 700")
    )
    assert "answered 401" in controls["4.2.1"]["reason"]
