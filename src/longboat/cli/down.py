"""`longboat down`: stop a cluster and leave nothing running, mounted or in the firewall."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from longboat.cli import alive, flags, registry, startup
from longboat.cli.cluster import Cluster, load
from longboat.cli.errors import Failure
from longboat.cli.flags import flag
from longboat.cli.steps import Steps

GRACE = 15.0  # seconds for a process to end by itself


@dataclass(frozen=True)
class Options:
    """Stop a cluster. Its data stays unless --purge is given."""

    name: str = flag("default", "name of the cluster")
    data_dir: str = flag("", "its data directory, instead of a name")
    purge: bool = flag(False, "delete its data as well")


def run(argv: list[str]) -> int:
    options = flags.parse(Options, argv, prog="longboat down")
    steps = Steps()
    place = registry.data_dir(options.name, options.data_dir)
    cluster = load(place)
    if cluster is None:
        steps.done(f"nothing runs: there is no cluster in {place}")
        return 0
    stop(cluster, steps)
    if options.purge:
        purge(cluster)
        registry.remove(cluster.name)
        steps.done(f"deleted {cluster.data_dir}")
    return 0


def stop(cluster: Cluster, steps: Steps) -> None:
    ran = [process.name for process in alive.running(cluster.run_dir)]
    if ran and os.geteuid() != 0 and cluster.nodes:
        raise Failure(f"cluster {cluster.name!r} has real nodes, which root must stop", "sudo longboat down")
    startup.stop_supervisor(cluster)
    stop_processes(cluster)
    if cluster.nodes and os.geteuid() == 0:
        from longboat.cli import nodes

        nodes.dismantle(cluster)
    for record in cluster.run_dir.glob("*.json"):
        record.unlink()
    if cluster.kubeconfig:
        from longboat.cli import kubeconfigs

        kubeconfigs.uninstall(Path(cluster.kubeconfig), cluster.context)
    steps.done(f"cluster {cluster.name!r} stopped" if ran else f"cluster {cluster.name!r} was not running")


def stop_processes(cluster: Cluster, keep: frozenset[str] = frozenset()) -> None:
    """Stop what runs but for `keep`: nodes first, then what held them up, the store last."""
    processes = [process for process in alive.running(cluster.run_dir) if process.name not in keep]

    def rank(name: str) -> int:
        if name in ("store", "control-plane"):
            return 3 if name == "store" else 2
        return 1 if name.startswith("containerd-") else 0

    for wanted in range(4):
        alive.stop([process for process in processes if rank(process.name) == wanted], GRACE)
    for process in processes:
        (cluster.run_dir / f"{process.name}.json").unlink(missing_ok=True)


def purge(cluster: Cluster) -> None:
    """Delete the data directory. Refuses one that is a mount point's parent: nothing mounted may be deleted through."""
    root = str(cluster.root.resolve())
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    inside = [point for point in mounted if point.startswith(root + "/")]
    if inside:
        raise Failure(f"cannot delete {root}: {inside[0]} is mounted in it", f"umount {inside[0]}")
    shutil.rmtree(cluster.root)
