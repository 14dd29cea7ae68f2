"""hostPath volumes: a file or directory of the node."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from longboat.aio.threads import aside
from longboat.node.views.volumes import HostPathSource
from longboat.node.volumes.plugin import SetUp, Spec, VolumePlugin

_KINDS = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


def set_up(source: HostPathSource) -> Path:
    """The path, made where its type asks for that. Raises ValueError and OSError."""
    path = Path(source.path)
    if source.type == "DirectoryOrCreate":
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
        _check(path, "Directory")
    elif source.type == "FileOrCreate":
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
        _check(path, "File")
    elif source.type in _KINDS:
        _check(path, source.type)
    return path


def _check(path: Path, kind: str) -> None:
    is_kind, words = _KINDS[kind]
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise ValueError(f"hostPath type check failed: {path} is not {words}") from error
    if not is_kind(mode):
        raise ValueError(f"hostPath type check failed: {path} is not {words}")


class HostPathPlugin(VolumePlugin):
    NAME, FIELD = "kubernetes.io/host-path", "hostPath"

    async def new_mounter(self, spec: Spec) -> SetUp:
        return lambda: aside(set_up, self.source(spec))  # it may hang: what is there is its owner's affair
