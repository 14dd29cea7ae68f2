"""What a whole cluster with one node costs while nothing happens: memory and processor time of every process.

python bench/idle.py [SECONDS]          needs root and containerd; starts a cluster of its own, in namespaces of its own
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

from e2e.host import Cluster  # noqa: E402

SETTLE = 20.0  # seconds after the start until it is idle
TICKS = os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """MB that are its own, and its share of what is shared (PSS)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def processor(pid: int) -> float:
    """Seconds that it has run, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="longboat-bench-") as folder:
        cluster = Cluster(Path(folder), 1)
        try:
            cluster.up()
            time.sleep(SETTLE)
            processes = {p["name"]: p["pid"] for p in cluster.status()["processes"]}
            before = {name: processor(pid) for name, pid in processes.items()}
            time.sleep(seconds)
            used = {name: (processor(pid) - before[name]) / seconds for name, pid in processes.items()}
            held = {name: memory(pid) for name, pid in processes.items()}
        finally:
            cluster.close()
    for name in processes:
        print(f"{name:<20} {held[name]:6.1f} MB {used[name]:6.2%}")
    ours = [name for name in processes if not name.startswith("containerd")]
    total, share = sum(held[name] for name in ours), sum(used[name] for name in ours)
    print(f"{'without containerd':<20} {total:6.1f} MB {share:6.2%} of a core, over {seconds:.0f} s")


if __name__ == "__main__":
    main(float(sys.argv[1]) if sys.argv[1:] else 60.0)
