"""What is noted on disk of a volume before a driver is called for it: the next agent finds it again. Blocks."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec

from longboat.node.csi.paths import DATA

log = logging.getLogger(__name__)
PERSISTENT, EPHEMERAL = "Persistent", "Ephemeral"


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """vol_data.json, in the kubelet's names."""

    driverName: str
    volumeHandle: str
    specVolID: str = ""
    nodeName: str = ""
    attachmentID: str = ""
    volumeLifecycleMode: str = ""

    @property
    def volume(self) -> tuple[str, str]:
        return self.driverName, self.volumeHandle


def write(folder: Path, record: Record) -> bool:
    """All of it or nothing. True if there was none before. Raises OSError."""
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    before = read(folder)
    if before == record:
        return False
    partial = folder / f".{DATA}.new"
    with open(partial, "wb") as file:
        file.write(msgspec.json.encode(record))
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, folder / DATA)
    return before is None


def read(folder: Path) -> Record | None:
    """None where there is none. One that cannot be read is reported, and treated as none."""
    try:
        return msgspec.json.decode((folder / DATA).read_bytes(), type=Record)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        log.error("the record of a volume in %s cannot be read: %s", folder, error)
        return None


def remove(folder: Path) -> None:
    """The record and its directory, which must be empty but for it. Raises OSError."""
    (folder / f".{DATA}.new").unlink(missing_ok=True)
    (folder / DATA).unlink(missing_ok=True)
    if folder.exists():
        folder.rmdir()
