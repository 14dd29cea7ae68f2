"""What pods have been given, kept on disk for the next agent: what a pod asks for by then may be something else."""

from __future__ import annotations

import asyncio
import logging

import msgspec

from longboat.node.allocation import Allocation
from longboat.node.paths import Paths

log = logging.getLogger(__name__)
NAME = "allocation.json"


class Checkpoints:
    """A file in each pod's directory, with which it goes. Simulated nodes have others (`simulated/stand_ins.py`)."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._found: dict[str, Allocation] = {}

    async def load(self) -> None:
        """What the agent before this one has left."""
        self._found = await asyncio.to_thread(self._read)

    def take(self, uid: str) -> Allocation | None:
        """What was kept of a pod, once."""
        return self._found.pop(uid, None)

    async def keep(self, uid: str, allocation: Allocation) -> None:
        """Raises OSError."""
        await asyncio.to_thread(self._write, uid, allocation)

    def _read(self) -> dict[str, Allocation]:
        found = {}
        for file in self._paths.pods.glob(f"*/{NAME}"):
            try:
                found[file.parent.name] = msgspec.json.decode(file.read_bytes(), type=Allocation)
            except (OSError, msgspec.DecodeError) as error:
                log.warning("what pod %s was given is not known, taking what it asks for: %s", file.parent.name, error)
        return found

    def _write(self, uid: str, allocation: Allocation) -> None:
        folder = self._paths.pod(uid)
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        fresh = folder / f".{NAME}"
        fresh.write_bytes(msgspec.json.encode(allocation))  # not synced: should the machine fall, so do its containers
        fresh.replace(folder / NAME)
