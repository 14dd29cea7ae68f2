"""The log files of a cluster's processes: `logs/<process>.log`, with older parts in `.1` and `.2`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

LARGEST = 10 << 20  # bytes before a log is rotated
KEPT = 2
AUDIT = "audit"  # what the names of the audit log, of its second ring and of their older parts begin with


def path(logs_dir: Path, process: str) -> Path:
    return logs_dir / f"{process}.log"


def rotate(logs_dir: Path, largest: int = LARGEST) -> None:
    """Set aside each log that has grown past `largest`, but for the audit log: its writer sees to that itself, and no
    line of it may be lost.

    The writer keeps its descriptor (it must survive us, so it writes to the file itself, in append mode): the text is
    copied and the file cut to nothing. Lines written between the two are lost, which for logs is fair.
    """
    for log in logs_dir.glob("*.log"):
        if log.name.startswith(AUDIT) or log.stat().st_size <= largest:
            continue
        for number in range(KEPT, 1, -1):
            older = log.with_suffix(f".log.{number - 1}")
            if older.exists():
                os.replace(older, log.with_suffix(f".log.{number}"))
        shutil.copyfile(log, log.with_suffix(".log.1"))
        os.chmod(log.with_suffix(".log.1"), 0o600)
        os.truncate(log, 0)


def tail(log: Path, lines: int, *, most: int = 1 << 20) -> list[str]:
    """The last lines of a log, reading at most `most` bytes; [] where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - most))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []
