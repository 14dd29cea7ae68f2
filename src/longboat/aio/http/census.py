"""Who is connected: bounded in all, and more closely for strangers, who have yet to show who they are.

When there is no room, one at rest makes it: the oldest of the address that has most. So an address that opens
connections without end pushes out its own, and a newcomer is heard before it is pushed out in its turn.
"""

from __future__ import annotations

import resource
from itertools import islice
from typing import Protocol

MAX_CONNECTIONS = 20_000
MAX_STRANGERS = 1_000
LOOKED_AT = 64  # connections of the address that has most, before a newcomer is turned away


class Guest(Protocol):
    remote: str
    busy: bool

    def abort(self) -> None: ...


class Census:
    def __init__(self, most: int = 0, strangers: int = MAX_STRANGERS) -> None:
        """`most`: 0 for what the process's descriptors allow, which leaves a quarter for all else."""
        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if allowed == resource.RLIM_INFINITY:
            allowed = 2 * MAX_CONNECTIONS
        self._most = most or min(MAX_CONNECTIONS, allowed * 3 // 4)
        self._most_strangers = min(strangers, self._most)
        self._strangers, self._known = _Group(), _Group()

    def __len__(self) -> int:
        return self._strangers.count + self._known.count

    def enter(self, guest: Guest) -> bool:
        """Whether there is room, or has been made. It is a stranger."""
        if self._strangers.count >= self._most_strangers and not self._strangers.make_room(guest.remote):
            return False
        if len(self) >= self._most and not (self._strangers.make_room("") or self._known.make_room("")):
            return False
        self._strangers.add(guest)
        return True

    def acquaint(self, guest: Guest) -> None:
        """It has shown who it is."""
        if self._strangers.remove(guest):
            self._known.add(guest)

    def leave(self, guest: Guest) -> None:
        """It has gone, or is going."""
        if not self._strangers.remove(guest):
            self._known.remove(guest)


class _Group:
    """By address; of each the oldest first."""

    def __init__(self) -> None:
        self.count = 0
        self._by_address: dict[str, dict[Guest, None]] = {}

    def add(self, guest: Guest) -> None:
        self._by_address.setdefault(guest.remote, {})[guest] = None
        self.count += 1

    def remove(self, guest: Guest) -> bool:
        """Whether it was there."""
        here = self._by_address.get(guest.remote)
        if here is None or guest not in here:
            return False
        del here[guest]
        self.count -= 1
        if not here:
            del self._by_address[guest.remote]
        return True

    def make_room(self, newcomer: str) -> bool:
        """End one at rest, of the address that has most; of the newcomer's, if none has more than that."""
        if not self._by_address:
            return False
        most = max(map(len, self._by_address.values()))
        own = self._by_address.get(newcomer, {})
        crowd = own if len(own) == most else next(each for each in self._by_address.values() if len(each) == most)
        for guest in islice(crowd, LOOKED_AT):
            if not guest.busy:
                self.remove(guest)
                guest.abort()
                return True
        return False
