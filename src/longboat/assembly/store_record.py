"""Where a cluster's state is, if not in its data directory: `store.json` there says it, and which cluster this is.

Commands find the store by it, and a server that is started for another store than its cluster's is refused: it would
begin an empty cluster beside the one that is meant.
"""

from __future__ import annotations

import json
from pathlib import Path

from longboat.assembly import files
from longboat.assembly.errors import Failure
from longboat.storage.etcd.address import Address, parse

FILES = ("ca", "certificate", "key")


def file(root: Path) -> Path:
    return root / "store.json"


def read(root: Path) -> tuple[str, Address] | None:
    """The cluster's id, and its etcd. Raises Failure."""
    path = file(root)
    try:
        said = json.loads(path.read_text())
        given = {name: Path(said[name]) for name in FILES if said.get(name)}
        return str(said["id"]), parse(said["store"], **given)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failure(f"{path} cannot be read: {error}", "Put it back from a copy") from error


def write(root: Path, identity: str, address: Address) -> None:
    """Raises Failure."""
    said = {"id": identity, "store": str(address)}
    said |= {name: str(path.absolute()) for name in FILES if (path := getattr(address, name)) is not None}
    files.write(file(root), json.dumps(said, indent=1) + "\n")
