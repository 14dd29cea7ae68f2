"""Cgroups of pods, in both versions, on a directory that stands for the kernel's."""

from __future__ import annotations

from pathlib import Path

import pytest

from longboat.node.cgroups import Cgroups
from longboat.node.views.pod import Pod
from unit.node.build import pod


def kernel(system: Path, given: Pod, *, unified: bool) -> Path:
    """The files that the kernel would put into the pod's cgroup; returns where its processes are counted."""
    inside = Path("kubepods/besteffort")
    names = {"cpu": ["cpu.shares"], "memory": ["memory.limit_in_bytes"], "pids": ["pids.max"]}
    if unified:
        (system / "cgroup.controllers").touch()
        names = {".": ["cpu.weight", "cpu.max", "memory.max", "pids.max"]}
    for tree, files in names.items():
        for place in (inside, inside / f"pod{given.uid}"):
            (system / tree / place).mkdir(parents=True, exist_ok=True)
            for name in files:
                (system / tree / place / name).write_text("max\n")
    return system / ("." if unified else "pids") / inside / f"pod{given.uid}"


@pytest.mark.parametrize("unified", [True, False])
@pytest.mark.parametrize(("limit", "set_to"), [(4096, "4096"), (0, "max\n")])
def test_a_pods_processes_are_counted(tmp_path: Path, unified: bool, limit: int, set_to: str) -> None:
    given = pod()
    place = kernel(tmp_path, given, unified=unified)
    Cgroups("/", limit, system=tmp_path).ensure_pod(given)
    assert (place / "pids.max").read_text() == set_to
    assert (place.parent / "pids.max").read_text() == "max\n"  # all pods together are not what is limited
