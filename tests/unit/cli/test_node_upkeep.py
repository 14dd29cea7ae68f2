"""How a node is kept from running short: flags in the kubelet's words, with its defaults."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from longboat.cli import flags, node_upkeep, shared_disk, up
from longboat.cli.agent import Options
from longboat.cli.cluster import Cluster
from longboat.cli.errors import Usage
from longboat.cli.plan import plan
from longboat.node.rules import Rules


def rules(*argv: str) -> Rules:
    return node_upkeep.rules(flags.parse(Options, argv, prog="longboat agent", environ={}))


def told(found: Rules) -> dict[str, Any]:
    return {each.signal: str(each.value.of(100 << 30)) for each in found.eviction.thresholds}


def test_the_defaults_are_the_kubelets() -> None:
    assert rules() == Rules()
    assert told(rules()) == {
        "memory.available": "100Mi", "nodefs.available": "10Gi", "nodefs.inodesFree": "5Gi",
        "imagefs.available": "15Gi", "imagefs.inodesFree": "5Gi", "allocatableMemory.available": "100Mi",
    }  # fmt: skip


def test_flags_are_read_as_the_kubelet_reads_them() -> None:
    found = rules(
        "--eviction-hard", "memory.available<1Gi,pid.available<5%", "--eviction-hard", "nodefs.available<2Gi",
        "--eviction-soft", "imagefs.available<20%", "--eviction-soft-grace-period", "imagefs.available=1m30s",
        "--eviction-max-pod-grace-period", "40", "--eviction-minimum-reclaim", "nodefs.available=500Mi",
        "--eviction-pressure-transition-period", "30s", "--image-gc-high-threshold", "90",
        "--image-gc-low-threshold", "70", "--minimum-image-ttl-duration", "5m", "--neighbours-dir", "/n",
    )  # fmt: skip
    assert told(found) == {
        "memory.available": "1Gi", "pid.available": "5Gi", "nodefs.available": "2Gi", "imagefs.available": "20Gi",
        "allocatableMemory.available": "1Gi",
    }  # fmt: skip
    soft = next(each for each in found.eviction.thresholds if not each.is_hard)
    assert (soft.signal, soft.grace) == ("imagefs.available", 90)
    assert (found.eviction.max_pod_grace, found.eviction.transition) == (40, 30)
    assert (found.images.high, found.images.low, found.images.age) == (90, 70, 300)
    assert found.neighbours == Path("/n")
    assert rules("--eviction-hard", "").eviction.thresholds == ()


@pytest.mark.parametrize(
    ("argv", "wrong"),
    [
        (["--eviction-hard", "memory.available=1Gi"], "--eviction-hard: malformed pair, expect string<string"),
        (["--eviction-hard", "disk<1Gi"], "eviction thresholds: unsupported eviction signal disk"),
        (["--eviction-soft", "nodefs.available<1Gi"], "grace period must be specified for the soft eviction threshold"),
        (["--image-gc-low-threshold", "90"], "must be less than --image-gc-high-threshold"),
        (["--image-gc-high-threshold", "101"], "must be less than --image-gc-high-threshold"),
    ],
)
def test_what_cannot_be_meant_is_bad_usage(argv: list[str], wrong: str) -> None:
    with pytest.raises(Usage, match=wrong):
        rules(*argv)


def agent(cluster: Cluster) -> tuple[str, ...]:
    return next(process.argv for process in plan(cluster) if process.name == "node-1")


def test_nodes_of_one_machine_leave_most_of_a_large_disk_to_it_and_agree_with_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_disk, "ENOUGH", 1)
    cluster = replace(up.settle(up.Options(nodes=1), tmp_path / "none-yet", None), node_cidr="172.30.0.0/24")
    argv = agent(cluster)
    hard = argv[argv.index("--eviction-hard") + 1]
    assert "nodefs.available<1Gi" in hard and "imagefs.available<1Gi" in hard and "memory.available<100Mi" in hard
    assert argv[argv.index("--neighbours-dir") + 1] == str(cluster.run_dir / "neighbours")
    monkeypatch.setattr(shared_disk, "ENOUGH", 1 << 60)
    assert "nodefs.available<10%" in shared_disk.thresholds(tmp_path)


def test_what_a_cluster_was_told_is_kept(tmp_path: Path) -> None:
    told = up.settle(up.Options(eviction_hard=["nodefs.available<5%", "memory.available<1Gi"]), tmp_path, None)
    kept = replace(up.settle(up.Options(), tmp_path, told), node_cidr="172.30.0.0/24")
    argv = agent(kept)
    assert argv[argv.index("--eviction-hard") + 1] == "nodefs.available<5%,memory.available<1Gi"
    with pytest.raises(Usage, match="--eviction-hard: unsupported eviction signal x"):
        up.settle(up.Options(eviction_hard=["x<1"]), tmp_path, None)
