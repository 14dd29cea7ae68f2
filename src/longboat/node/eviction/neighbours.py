"""Nodes of one machine that run short of the same thing: whose pod goes is decided as if all were one node's."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec

from longboat.aio.clock import Clock
from longboat.node.eviction.ranking import Rank

log = logging.getLogger(__name__)
ROOM = 1024  # bytes of a note
LASTS = 30.0  # seconds that a note is believed
SUFFIX = ".wants-room"


class Bid(msgspec.Struct, frozen=True):
    """A node would evict a pod of this rank for the sake of `resource` at `source`: since and until when (seconds on
    the machine's monotonic clock)."""

    node: str
    source: str
    resource: str
    rank: Rank
    since: float
    until: float

    def goes_before(self, other: Bid) -> bool:
        return (self.rank, self.node) < (other.rank, other.node)


class Neighbours:
    """`folder` is where they leave notes for each other; None for a node that has its machine for itself. `notice` is
    for how many seconds a node tells of its need before it acts: in that time the others have made room, or told of
    theirs."""

    def __init__(self, folder: Path | None, node: str, clock: Clock, notice: float) -> None:
        self._folder, self._node, self._clock, self._notice = folder, node, clock, notice
        self._last: Bid | None = None

    def may_evict(self, source: str, resource: str, rank: Rank) -> bool:
        """Whether this node's pod is the one to go now. Blocks. What cannot be agreed upon, each decides alone."""
        if self._folder is None or not source:
            return True
        now, before = self._clock.monotonic(), self._last
        same = before is not None and (before.source, before.resource) == (source, resource) and now <= before.until
        since = before.since if same and before is not None else now
        bid = self._last = Bid(self._node, source, resource, rank, since, now + LASTS)
        try:
            self._write(self._folder, bid)
            rivals = [other for other in self._others(self._folder) if other.source == source]
        except OSError as error:
            log.warning("cannot agree with the other nodes of this machine on who makes room: %s", error)
            return True
        if any(now <= other.until <= now + 2 * LASTS and other.goes_before(bid) for other in rivals):
            return False
        return now - since >= self._notice

    def hold(self) -> None:
        """It is evicting: until that shows, the others wait. Blocks."""
        if self._last is not None and self._folder is not None:
            self._renew(self._folder, self._clock.monotonic() + LASTS)

    def withdraw(self) -> None:
        """It has enough. Blocks."""
        if self._last is not None and self._folder is not None:
            self._renew(self._folder, 0.0)
            self._last = None

    def prepare(self) -> None:
        """Take room for notes while there is some: on a full disk none could be made. Blocks. Raises OSError."""
        if self._folder is not None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self._folder / f"{self._node}{SUFFIX}").write_bytes(b" " * ROOM)

    def _renew(self, folder: Path, until: float) -> None:
        assert self._last is not None
        self._last = msgspec.structs.replace(self._last, until=until)
        try:
            self._write(folder, self._last)
        except OSError as error:
            log.warning("cannot tell the other nodes of this machine: %s", error)

    def _write(self, folder: Path, bid: Bid) -> None:
        """In place and in one go: readers see the old or the new."""
        text = msgspec.json.encode(bid).ljust(ROOM)
        file = os.open(folder / f"{self._node}{SUFFIX}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(file, text, 0)
        finally:
            os.close(file)

    def _others(self, folder: Path) -> list[Bid]:
        found = []
        for path in folder.glob(f"*{SUFFIX}"):
            if path.name == f"{self._node}{SUFFIX}":
                continue
            with path.open("rb") as file:
                text = file.read(4 * ROOM).strip()
            try:
                found += [msgspec.json.decode(text, type=Bid)] if text else []
            except msgspec.DecodeError as error:
                log.warning("%s cannot be read: %s", path, error)
        return found
