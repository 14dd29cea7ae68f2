"""What a node does where nobody has said: safer things from its joining on, and what it did before where it had joined.

A node that joins notes the defaults of its time in its directory. One that joined when there was no choice has no note:
its pods run as they did, until somebody says otherwise.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from longboat.assembly import files
from longboat.cli.agent_options import KUBECONFIG, MAX_PIDS, Options
from longboat.cli.errors import Failure, Usage

NOTE = "defaults.json"
OF_OLD = {"seccomp_default": False, "pod_max_pids": 0}
OF_NOW = {"seccomp_default": True, "pod_max_pids": MAX_PIDS}


def settled(options: Options) -> Options:
    """The options with nothing left open. Raises Usage, Failure."""
    place = Path(options.data_dir)
    if not options.kubeconfig and not (place / KUBECONFIG).exists():
        files.directory(place)
        files.write(place / NOTE, json.dumps(OF_NOW) + "\n")
    noted = OF_OLD | _noted(place / NOTE)
    seccomp = noted["seccomp_default"] if options.seccomp_default is None else options.seccomp_default
    pids = noted["pod_max_pids"] if options.pod_max_pids is None else checked_pids(options.pod_max_pids)
    return replace(options, seccomp_default=bool(seccomp), pod_max_pids=int(pids))


def checked_pids(number: int) -> int:
    """The limit as it is kept: 0 for none. Raises Usage."""
    if number < -1 or number == 0:
        raise Usage(f"--pod-max-pids: {number} is neither -1 nor a number of processes")
    return max(number, 0)


def _noted(path: Path) -> dict[str, int]:
    """Raises Failure: a node must not start with fewer guards than it was given."""
    try:
        found = json.loads(path.read_text())
        return {key: int(found[key]) for key in OF_NOW if key in found}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise Failure(f"cannot read {path}: {error}", "Delete it for the defaults of old, or name the flags") from error
