"""What nodes do where nobody has said what they are to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from longboat.cli import node_defaults, up
from longboat.cli.agent_options import KUBECONFIG, Options
from longboat.cli.cluster import Cluster, load
from longboat.cli.errors import Failure, Usage
from longboat.cli.plan import plan


def settled(place: Path, **said: bool | int | str) -> tuple[bool | None, int | None]:
    found = node_defaults.settled(replace(Options(data_dir=str(place)), **said))  # type: ignore[arg-type]
    return found.seccomp_default, found.pod_max_pids


def test_a_node_that_joins_is_guarded_and_stays_so(tmp_path: Path) -> None:
    assert settled(tmp_path / "node") == (True, 4096)
    (tmp_path / "node" / KUBECONFIG).touch()  # it has joined
    assert settled(tmp_path / "node") == (True, 4096)
    assert settled(tmp_path / "node", seccomp_default=False, pod_max_pids=-1) == (False, 0)
    assert settled(tmp_path / "node") == (True, 4096)


def test_a_node_that_joined_before_there_was_a_choice_goes_on_as_it_did(tmp_path: Path) -> None:
    (tmp_path / KUBECONFIG).touch()
    assert settled(tmp_path) == (False, 0)
    assert settled(tmp_path, seccomp_default=True, pod_max_pids=100) == (True, 100)
    assert settled(tmp_path, kubeconfig="/elsewhere") == (False, 0)


def test_a_note_that_cannot_be_read_takes_no_guard_away(tmp_path: Path) -> None:
    (tmp_path / KUBECONFIG).touch()
    (tmp_path / node_defaults.NOTE).write_text("{")
    with pytest.raises(Failure):
        settled(tmp_path)


@pytest.mark.parametrize("number", [0, -2])
def test_no_number_of_processes(tmp_path: Path, number: int) -> None:
    with pytest.raises(Usage):
        settled(tmp_path, pod_max_pids=number)
    with pytest.raises(Usage):
        up.settle(up.Options(pod_max_pids=number), tmp_path, None)


def agent(cluster: Cluster) -> tuple[str, ...]:
    return next(process.argv for process in plan(cluster) if process.name == "node-1")


def test_new_clusters_are_guarded_and_those_of_old_when_they_are_told_to_be(tmp_path: Path) -> None:
    new = replace(up.settle(up.Options(), tmp_path, None), node_cidr="172.30.0.0/24")
    assert agent(new)[-3:] == ("--seccomp-default", "--pod-max-pids", "4096")
    free = up.settle(up.Options(seccomp_default=False, pod_max_pids=-1), tmp_path, new)
    assert not {"--seccomp-default", "--pod-max-pids"} & set(agent(free))
    (tmp_path / "cluster.json").write_text(
        '{"name": "default", "data_dir": "", "api_port": 6443, "nodes": 1, "node_cidr": "172.30.0.0/24", "format": 1}'
    )
    old = load(tmp_path)
    assert old is not None and up.settle(up.Options(), tmp_path, old) == old
    assert not {"--seccomp-default", "--pod-max-pids"} & set(agent(old))
    told = up.settle(up.Options(seccomp_default=True, pod_max_pids=50), tmp_path, old)
    assert agent(told)[-3:] == ("--seccomp-default", "--pod-max-pids", "50")
