"""What a kind's objects hold cluster-wide beside themselves (addresses, ports), and how a write comes by it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Protocol

from longboat.aio.clock import Clock
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.registry.write import Write


async def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Reservation:
    """Something held for a write: `release` gives it back when the write fails, `commit` follows a write that
    succeeded (and lets go what the former version held)."""

    release: Callable[[], Awaitable[None]] = field(default=_nothing)
    commit: Callable[[], Awaitable[None]] = field(default=_nothing)


class Reserver(Protocol):
    """Made once per server for a kind whose objects hold such things (`catalog.connect`); others have none, and pay
    nothing."""

    async def reserve(self, new: Object, old: Object | None, write: Write) -> Reservation | None:
        """Take what this object needs, writing it into `new`. It has been defaulted, and not been validated: of what
        validation is going to refuse, nothing is taken. A dry run gets values, and nothing is held for it.

        Raises StatusError; then nothing has been taken.
        """
        ...

    async def released(self, old: Object) -> None:
        """The object has left storage: give back what it held."""
        ...

    def upkeep(self, clock: Clock) -> Coroutine[None, None, None]:
        """What goes on in the background for as long as the server runs."""
        ...


class Held:
    """Gives a reservation back unless the write it was made for has succeeded, or may have.

    A write that was begun and whose outcome nobody knows keeps its reservation: upkeep finds out. Handing the address
    or port to somebody else meanwhile might give it away twice. Whatever refuses the write before that (validation,
    admission, a client that goes) costs nothing.
    """

    __slots__ = ("_reservation", "begun")

    def __init__(self, reservation: Reservation | None) -> None:
        self._reservation = reservation
        self.begun = False  # whether storage has been asked to make the change

    async def keep(self) -> None:
        reservation, self._reservation = self._reservation, None
        if reservation is not None:
            await reservation.commit()

    async def __aenter__(self) -> Held:
        return self

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self._reservation is None:
            return
        failed = isinstance(error, asyncio.CancelledError) or (isinstance(error, StatusError) and error.code >= 500)
        if not (self.begun and failed):
            await self._reservation.release()
