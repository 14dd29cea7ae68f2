"""Loading an archive into a node's image store, whole or not at all.

containerd names images before it unpacks them: one that cannot be unpacked would stay, perhaps in place of a good one
of its name, and pods that need it would fail from then on.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from longboat.assembly.node.pause import IMAGE as PAUSE
from longboat.assembly.node.pause import image as pause_image
from longboat.cli import image_store
from longboat.cli.cluster import Cluster
from longboat.cli.errors import Failure
from longboat.cli.image_archive import unpacked
from longboat.cli.image_store import ctr

PASSES = 5  # the CRI plugin gives second names a moment after the first
Targets = dict[str, str]
"""The manifests' digests by image name."""


def import_image(cluster: Cluster, node: str, archive: BinaryIO) -> list[str]:
    """Load an OCI or docker archive, compressed or not, and unpack it. Returns the names of its images, none if none is
    for this machine.

    What fails leaves names as they were, and no content. Raises Failure.
    """
    with _alone(cluster, node):
        before = targets(cluster, node)
        try:
            with unpacked(archive, room(cluster, node)) as tar:
                said = ctr(cluster, node, "images", "import", "-", archive=tar)
            names = [line.split()[1] for line in said.splitlines() if line.startswith("unpacking")]
        except BaseException:
            _put_back(cluster, node, before)
            raise
        if not names:
            _put_back(cluster, node, before)
        return names


def room(cluster: Cluster, node: str) -> int:
    """How many bytes an archive may unpack to. Its layers are kept, and unpacked besides: that must fit on the disk."""
    return shutil.disk_usage(cluster.node_dir(node)).free // 2


def targets(cluster: Cluster, node: str) -> Targets:
    """Raises Failure."""
    rows = [line.split() for line in ctr(cluster, node, "images", "ls").splitlines()[1:]]
    return {row[0]: row[2] for row in rows}


def lost(before: Targets, now: Targets) -> tuple[list[str], dict[str, str]]:
    """Which names must go, and which must be given again what another name still stands for. Pure."""
    kept = {digest: name for name, digest in before.items() if now.get(name) == digest}
    moved = {name: kept[digest] for name, digest in before.items() if now.get(name) != digest and digest in kept}
    gone = [name for name, digest in now.items() if before.get(name) != digest and name not in moved]
    return sorted(gone), moved


def _put_back(cluster: Cluster, node: str, before: Targets) -> None:
    """As far as possible: whoever calls has a failure to tell of already."""
    with suppress(Failure):
        for _ in range(PASSES):
            gone, moved = lost(before, targets(cluster, node))
            if not gone and not moved:
                break
            for name, stands_for in moved.items():  # each image has its configuration's digest for a second name
                ctr(cluster, node, "images", "tag", "--force", stands_for, name)
            if gone:
                ctr(cluster, node, "images", "rm", *gone)
        lease = f"longboat-{secrets.token_hex(8)}"  # that ends, and takes with it whatever nobody refers to
        ctr(cluster, node, "leases", "create", "--id", lease)
        ctr(cluster, node, "leases", "delete", "--sync", lease)


def ensure_pause(cluster: Cluster, node: str) -> None:
    """Put the pause image into a node's store, if it is not there."""
    if PAUSE not in image_store.images(cluster, node):
        with tempfile.TemporaryFile() as file:
            file.write(pause_image())
            file.seek(0)
            import_image(cluster, node, file)


@contextmanager
def _alone(cluster: Cluster, node: str) -> Iterator[None]:
    """Wait for another import into this node to end: it must not be taken for what this one leaves."""
    lock = os.open(cluster.run_dir / f"import-{node}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
