"""What lies in the store of a local node's containerd, asked from outside the node's namespaces."""

from __future__ import annotations

import subprocess
from typing import BinaryIO

from longboat.assembly.node.containerd import NAMESPACE, SOCKET
from longboat.cli.cluster import Cluster
from longboat.cli.errors import Failure


def ctr(cluster: Cluster, node: str, *arguments: str, archive: BinaryIO | None = None) -> str:
    """Run containerd's own client on a node. Raises Failure with its last words."""
    namespaces = cluster.run_dir / "ns" / node
    enter = ["nsenter", f"--net={namespaces}/net", f"--mount={namespaces}/mnt", "--"]
    command = [*enter, "ctr", "--address", SOCKET, "--namespace", NAMESPACE, *arguments]
    try:
        done = subprocess.run(command, stdin=archive or subprocess.DEVNULL, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise Failure(f"{node}: {error.filename} is not installed", "apt install containerd util-linux") from error
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines() or ["it did not say why"]
        raise Failure(f"{node}: {words[-1].removeprefix('ctr: ')}")
    return done.stdout.decode()


def images(cluster: Cluster, node: str) -> list[str]:
    """The names in a node's store."""
    return ctr(cluster, node, "images", "ls", "-q").split()
