"""Which clusters this person has, and where: one small file each under ~/.local/state/longboat."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from longboat.assembly import files
from longboat.cli import person, trust
from longboat.cli.cluster import Cluster, default_data_dir, load
from longboat.cli.errors import Failure, Usage

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


def directory() -> Path:
    """Raises Failure if somebody else could have written what it says."""
    base = os.environ.get("XDG_STATE_HOME") if "SUDO_UID" not in os.environ else None
    found = Path(base or person.home() / ".local" / "state").absolute() / "longboat"
    trust.check(found)
    return found


def checked(name: str) -> str:
    """The name itself, if it can name a cluster. Raises Usage."""
    if not NAME.fullmatch(name):
        raise Usage(f"{name!r} cannot name a cluster: use up to 32 lower case letters, digits and inner dashes")
    return name


def add(cluster: Cluster) -> None:
    who = person.caller()
    owner = (who.pw_uid, who.pw_gid)
    files.directory(directory(), owner=owner)
    files.write(directory() / f"{cluster.name}.json", json.dumps({"dataDir": cluster.data_dir}) + "\n", owner=owner)


def remove(name: str) -> None:
    (directory() / f"{name}.json").unlink(missing_ok=True)


def data_dir(name: str, explicit: str = "") -> Path:
    """Where a cluster's data is: as told, as registered, else the default place. Raises Failure if it is not ours."""
    place = Path(explicit).absolute() if explicit else _registered(name)
    trust.check(place)
    return place


def _registered(name: str) -> Path:
    try:
        registered = json.loads((directory() / f"{checked(name)}.json").read_text())["dataDir"]
    except FileNotFoundError:
        return default_data_dir(name)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failure(f"cannot read {directory()}/{name}.json: {error}", "Delete it, and name --data-dir") from error
    return Path(registered)


def find(name: str, explicit: str = "") -> Cluster:
    """The named cluster. Raises Failure where there is none."""
    place = data_dir(name, explicit)
    cluster = load(place)
    if cluster is None:
        which = f"in {place}" if explicit else f"named {name!r}"
        raise Failure(f"there is no cluster {which}", "Start one: longboat up")
    return cluster


def clusters() -> list[Cluster]:
    """Every registered cluster that still exists."""
    found = []
    for path in sorted(directory().glob("*.json")):
        cluster = load(data_dir(path.stem))
        if cluster is not None:
            found.append(cluster)
    return found
