"""nfs volumes: a directory of another machine, mounted with the node's own mount.nfs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from longboat.node import kernel, mounting
from longboat.node.views.volumes import NFSSource

FOLDER = "kubernetes.io~nfs"


def source_of(nfs: NFSSource) -> str:
    """`server:/path`; an IPv6 address stands in brackets."""
    server = f"[{nfs.server}]" if ":" in nfs.server and not nfs.server.startswith("[") else nfs.server
    return f"{server}:{nfs.path}"


def set_up(nfs: NFSSource, place: Path, options: Iterable[str], *, read_only: bool) -> Path:
    """Where it is mounted: at `place`. Blocks. Raises OSError."""
    if kernel.is_mount_point(place):
        return place
    place.mkdir(mode=0o750, parents=True, exist_ok=True)
    try:
        mounting.mount(source_of(nfs), place, "nfs", [*options, *(["ro"] if read_only or nfs.readOnly else [])])
    except OSError:
        place.rmdir()
        raise
    return place
