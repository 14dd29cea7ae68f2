"""`longboat kubeconfig`: the administrator's kubeconfig of a cluster, on standard output."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from longboat.cli import flags, registry
from longboat.cli.errors import Failure
from longboat.cli.flags import flag


@dataclass(frozen=True)
class Options:
    """Print a kubeconfig that speaks for the administrator. It holds a private key."""

    name: str = flag("default", "name of the cluster")
    data_dir: str = flag("", "its data directory, instead of a name")


def run(argv: list[str]) -> int:
    options = flags.parse(Options, argv, prog="longboat kubeconfig")
    cluster = registry.find(options.name, options.data_dir)
    try:
        sys.stdout.write(cluster.admin_kubeconfig.read_text())
    except FileNotFoundError as error:
        raise Failure(f"cluster {cluster.name!r} has not been started yet", "longboat up") from error
    except PermissionError as error:
        raise Failure(f"may not read {cluster.admin_kubeconfig}", "Run as the cluster's owner (sudo?)") from error
    return 0
