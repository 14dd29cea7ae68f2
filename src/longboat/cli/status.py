"""`longboat status`: what runs, what it costs, which nodes are ready."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longboat.assembly.node.places import INGRESS
from longboat.cli import alive, flags, registry
from longboat.cli.api import UNREACHABLE, Api
from longboat.cli.cluster import Cluster
from longboat.cli.flags import flag

STOPPED = 3


@dataclass(frozen=True)
class Options:
    """Processes and nodes of a cluster. Exit code 0 when it runs, 3 when it is stopped."""

    name: str = flag("default", "name of the cluster")
    data_dir: str = flag("", "its data directory, instead of a name")
    output: str = flag("text", "text or json", choices=("text", "json"))


def run(argv: list[str]) -> int:
    options = flags.parse(Options, argv, prog="longboat status")
    cluster = registry.find(options.name, options.data_dir)
    report = describe(cluster)
    print(json.dumps(report, indent=2) if options.output == "json" else "\n".join(table(cluster, report)))
    return 0 if is_up(report) else STOPPED


def is_up(report: dict[str, Any]) -> bool:
    return any(process["name"] == "control-plane" for process in report["processes"])


def describe(cluster: Cluster) -> dict[str, Any]:
    """The JSON report: api, version, processes, nodes."""
    running = alive.running(cluster.run_dir)
    processes = [measure(process.name, process.pid) for process in running]
    processes += [found for process in running if (found := ingress_of(process))]
    report: dict[str, Any] = {"api": cluster.url, "version": "", "processes": processes, "nodes": []}
    if not is_up(report):
        return report
    try:
        api = Api(cluster)
        _, version = api.get("/version")
        report["version"] = version.get("gitVersion", "") if isinstance(version, dict) else ""
        report["nodes"] = api.nodes()
    except (*UNREACHABLE, KeyError):
        return report  # it runs but does not answer (yet): the empty fields say so
    return report


def measure(name: str, pid: int, *workers: int) -> dict[str, Any]:
    """Proportional set size and CPU time of a process with its workers; zeros where /proc does not tell us."""
    all_of_it = (pid, *workers)
    cpu = round(sum(map(_cpu, all_of_it)), 2)
    return {"name": name, "pid": pid, "pss_bytes": sum(map(_pss, all_of_it)), "cpu_seconds": cpu}


def ingress_of(process: alive.Running) -> dict[str, Any] | None:
    """The HAProxy that a node's agent has started; None where none runs. It is not the supervisor's child."""
    if "agent" not in process.argv:
        return None
    try:
        pid = int(Path(f"/proc/{process.pid}/root{INGRESS}/haproxy.pid").read_text())
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError):
        return None
    return measure(f"haproxy-{process.name}", pid, *map(int, workers)) if name == "haproxy" else None


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:")), 0)


def _cpu(pid: int) -> float:
    try:
        values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return round((int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK"), 2)


def table(cluster: Cluster, report: dict[str, Any]) -> list[str]:
    """The same for people."""
    if not is_up(report):
        return [f"cluster {cluster.name!r} is stopped; start it: longboat up --name {cluster.name}"]
    total = sum(process["pss_bytes"] for process in report["processes"])
    rows = [("PROCESS", "PID", "MEMORY", "CPU")]
    rows += [
        (p["name"], str(p["pid"]), f"{p['pss_bytes'] / 2**20:.1f} MiB", f"{p['cpu_seconds']:.1f}s")
        for p in report["processes"]
    ]
    lines = [f"{cluster.name}: {report['api']} {report['version'] or '(does not answer yet)'}, {total / 2**20:.0f} MiB"]
    lines += ["", *columns(rows)]
    if report["nodes"]:
        nodes = [("NODE", "ADDRESS", "READY")]
        nodes += [(n["name"], n["address"], "yes" if n["ready"] else "no") for n in report["nodes"]]
        lines += ["", *columns(nodes)]
    return lines


def columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows of equal length as lines with aligned columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
