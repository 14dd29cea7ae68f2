"""Clocks of single processes that can be set while they run (clock.c). The machine's own is never touched.

A cluster starts its processes with the interpreter that started it: here that is a script, which gives the wall clock
of each process named in `MOVED` into the hand of a file. Its monotonic clock stays what it is, as where an
administrator sets the time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")
MOVED = {"control-plane": "*' server '*", "node-2": "*' agent '*'--node-name node-2 '*"}  # patterns of command lines

SCRIPT = """#!/bin/bash
case "$* " in
{cases}
esac
export LONGBOAT_EVICTION_PRESSURE_TRANSITION_PERIOD=30s
[ -z "$clock" ] || export LD_PRELOAD={library} LONGBOAT_CLOCK={folder}/$clock
exec -a "$0" {python} "$@"
"""


class Clocks:
    """Offsets in files of `folder`, and the interpreter whose processes follow them."""

    def __init__(self, folder: Path) -> None:
        library = folder / "clock.so"
        subprocess.run(["gcc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
        self._folder = folder
        self.python = folder / "venv" / "bin" / "python"
        self.python.parent.mkdir(parents=True)
        environment = Path(sys.prefix)
        for name in ("lib", "pyvenv.cfg"):  # by which the interpreter finds its packages
            (folder / "venv" / name).symlink_to(environment / name)
        cases = "\n".join(f"    {pattern}) clock={name} ;;" for name, pattern in MOVED.items())
        python = Path(sys.executable).resolve()
        self.python.write_text(SCRIPT.format(cases=cases, library=library, folder=folder, python=python))
        self.python.chmod(0o755)
        for name in MOVED:
            (folder / name).write_bytes(bytes(8))

    def set(self, process: str, seconds: int) -> None:
        """Let a process see the time so many seconds ahead (or behind), at once."""
        file = os.open(self._folder / process, os.O_WRONLY)
        try:
            os.pwrite(file, (seconds * 10**9).to_bytes(8, sys.byteorder, signed=True), 0)
        finally:
            os.close(file)
