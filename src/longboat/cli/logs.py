"""`longboat logs`: what a cluster's processes have said."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from longboat.cli import flags, logfiles, registry
from longboat.cli.errors import Failure
from longboat.cli.flags import flag


@dataclass(frozen=True)
class Options:
    """The last lines of one process's log, or of each."""

    component: str = flag("", "process, as `longboat status` names it", positional=True)
    name: str = flag("default", "name of the cluster")
    data_dir: str = flag("", "its data directory, instead of a name")
    tail: int = flag(100, "how many lines of each")
    follow: bool = flag(False, "go on printing what is added", short="f")


def run(argv: list[str]) -> int:
    options = flags.parse(Options, argv, prog="longboat logs")
    cluster = registry.find(options.name, options.data_dir)
    known = sorted(path.stem for path in cluster.logs_dir.glob("*.log"))
    wanted = [options.component] if options.component else [n for n in known if not n.startswith(logfiles.AUDIT)]
    if options.component and options.component not in known:
        raise Failure(f"{options.component!r} has no log", "These have: " + (", ".join(known) or "none yet"))
    for name in wanted:
        prefix = f"{name}: " if len(wanted) > 1 else ""
        for line in logfiles.tail(logfiles.path(cluster.logs_dir, name), options.tail):
            print(prefix + line)
    if options.follow:
        follow(cluster.logs_dir, wanted)
    return 0


def follow(logs_dir: Path, wanted: Sequence[str]) -> None:
    """Print what is added to the logs, until interrupted."""
    paths = {name: logfiles.path(logs_dir, name) for name in wanted}
    ends = {name: path.stat().st_size for name, path in paths.items()}
    while True:
        for name, path in paths.items():
            size = path.stat().st_size
            if size < ends[name]:
                ends[name] = 0  # it was rotated
            if size > ends[name]:
                with path.open("rb") as file:
                    file.seek(ends[name])
                    sys.stdout.write(file.read(size - ends[name]).decode(errors="replace"))
                    sys.stdout.flush()
                ends[name] = size
        time.sleep(0.2)
