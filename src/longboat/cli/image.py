"""`longboat image`: what is in the nodes' image stores, for machines without a registry."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from longboat.cli import alive, flags, image_import, image_store, registry
from longboat.cli.cluster import Cluster
from longboat.cli.errors import Failure, Usage
from longboat.cli.flags import flag
from longboat.cli.steps import Steps

ACTIONS = ("import", "ls", "rm")


@dataclass(frozen=True)
class Options:
    """image import FILE…: load OCI or docker archives, compressed or not, into every node. image ls. image rm NAME…"""

    action: str = flag("", "import, ls or rm", positional=True)
    arguments: list[str] = flag([], "archives to import, or names to remove", positional=True)
    name: str = flag("default", "name of the cluster")
    data_dir: str = flag("", "its data directory, instead of a name")
    node: list[str] = flag([], "only these nodes")
    output: str = flag("text", "text or json", choices=("text", "json"))


def run(argv: list[str]) -> int:
    options = flags.parse(Options, argv, prog="longboat image")
    if options.action not in ACTIONS or (options.action == "ls") == bool(options.arguments):
        raise Usage("say: longboat image import FILE…, longboat image ls, or longboat image rm NAME…")
    cluster = registry.find(options.name, options.data_dir)
    nodes = running_nodes(cluster, options.node)
    steps = Steps(quiet=options.output == "json")
    if options.action == "import":
        for argument in options.arguments:
            import_archive(cluster, nodes, Path(argument), steps)
    elif options.action == "rm":
        remove(cluster, nodes, options.arguments, steps)
    else:
        show(cluster, nodes, as_json=options.output == "json")
    return 0


def running_nodes(cluster: Cluster, only: list[str]) -> list[str]:
    """The nodes whose containerd runs. Raises Failure where there is none, or one of `only` is not among them."""
    running = {process.name for process in alive.running(cluster.run_dir)}
    nodes = [node for node in cluster.node_names if f"containerd-{node}" in running]
    for node in only:
        if node not in nodes:
            raise Failure(
                f"{node} is not a running node of {cluster.name!r}", f"These are: {', '.join(nodes) or 'none'}"
            )
    if not nodes:
        remedy = f"longboat up --name {cluster.name} --nodes 1 (simulated nodes need no images)"
        raise Failure(f"cluster {cluster.name!r} has no running node to hold images", remedy)
    return [node for node in nodes if not only or node in only]


def import_archive(cluster: Cluster, nodes: list[str], path: Path, steps: Steps) -> None:
    """Load an archive into each node's store. Raises Failure."""
    for node in nodes:
        try:
            with path.open("rb") as archive:
                names = image_import.import_image(cluster, node, archive)
        except OSError as error:
            raise Failure(f"cannot read {path}: {error.strerror}") from error
        if not names:
            remedy = "It must be an OCI or docker archive: a tar file, if compressed, then by gzip, zstd, xz or bzip2"
            raise Failure(f"{path} holds no image for this machine", remedy)
        for name in names:
            steps.done(f"{node}: {name}")


def remove(cluster: Cluster, nodes: list[str], names: list[str], steps: Steps) -> None:
    """Forget images. Containers that run from one go on. Raises Failure for a name no node knows."""
    for name in names:
        holders = [node for node in nodes if name in image_store.images(cluster, node)]
        if not holders:
            raise Failure(f"no node has the image {name!r}", "longboat image ls names those there are")
        for node in holders:
            image_store.ctr(cluster, node, "images", "rm", "--sync", name)
            steps.done(f"{node}: removed {name}")


def show(cluster: Cluster, nodes: list[str], *, as_json: bool) -> None:
    found: dict[str, list[str]] = {}
    for node in nodes:
        for name in image_store.images(cluster, node):
            if not name.startswith("sha256:"):  # the CRI plugin's second name for the same image
                found.setdefault(name, []).append(node)
    if as_json:
        print(json.dumps([{"image": name, "nodes": holders} for name, holders in sorted(found.items())], indent=2))
        return
    from longboat.cli.status import columns

    print("\n".join(columns([("IMAGE", "NODES"), *((name, ",".join(found[name])) for name in sorted(found))])))
