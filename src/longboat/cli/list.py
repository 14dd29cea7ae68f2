"""`longboat list`: the clusters of this machine."""

from __future__ import annotations

import json
from dataclasses import dataclass

from longboat.cli import alive, flags, registry
from longboat.cli.flags import flag
from longboat.cli.status import columns


@dataclass(frozen=True)
class Options:
    """The clusters of this machine, running or not."""

    output: str = flag("text", "text or json", choices=("text", "json"))


def run(argv: list[str]) -> int:
    options = flags.parse(Options, argv, prog="longboat list")
    found = [
        {
            "name": cluster.name,
            "running": any(process.name == "control-plane" for process in alive.running(cluster.run_dir)),
            "api": cluster.url,
            "nodes": cluster.nodes,
            "simulatedNodes": cluster.simulated_nodes,
            "dataDir": cluster.data_dir,
        }
        for cluster in registry.clusters()
    ]
    if options.output == "json":
        print(json.dumps(found, indent=2))
    elif not found:
        print("no clusters; start one: longboat up")
    else:
        rows = [("NAME", "STATE", "API", "NODES", "DATA")]
        for item in found:
            state = "running" if item["running"] else "stopped"
            count = str(item["nodes"]) + (f"+{item['simulatedNodes']}" if item["simulatedNodes"] else "")
            rows.append((str(item["name"]), state, str(item["api"]), count, str(item["dataDir"])))
        print("\n".join(columns(rows)))
    return 0
