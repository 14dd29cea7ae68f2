"""What one imagined container does in the course of time: looked up when somebody asks, so that idling costs nothing.

Pure. Times are seconds after the container's start.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Timeline(msgspec.Struct, Generic[T], frozen=True):
    """Values that hold from a moment on, in order of time; `first` holds before all of them."""

    first: T
    changes: tuple[tuple[float, T], ...] = ()

    def at(self, time: float) -> T:
        index = bisect_right(self.changes, time, key=_moment)
        return self.changes[index - 1][1] if index else self.first

    def next(self, time: float) -> float:
        """The moment of the first change after `time`; infinity for none."""
        index = bisect_right(self.changes, time, key=_moment)
        return self.changes[index][0] if index < len(self.changes) else math.inf

    def pieces(self, until: float) -> Iterator[tuple[float, float, T]]:
        """From, to and value of each piece up to a moment."""
        begin, value = 0.0, self.first
        for moment, following in self.changes:
            if moment >= until:
                break
            yield begin, moment, value
            begin, value = moment, following
        yield begin, until, value


def _moment(change: tuple[float, object]) -> float:
    return change[0]


class Ending(msgspec.Struct, frozen=True):
    """`after` is infinite for a container that runs until it is stopped."""

    after: float = math.inf
    code: int = 0
    reason: str = ""
    message: str = ""


class Use(msgspec.Struct, frozen=True):
    """Cores, and bytes."""

    cpu: float = 0.0
    memory: float = 0.0


class Answer(msgspec.Struct, frozen=True):
    """To a command. `after` is infinite for one that runs until it is stopped."""

    stdout: bytes = b""
    stderr: bytes = b""
    code: int = 0
    after: float = 0.0


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """One field for each thing a behaviour can speak of; None where nobody does."""

    ending: Ending | None = None
    started: Timeline[bool] | None = None
    ready: Timeline[bool] | None = None
    live: Timeline[bool] | None = None
    log: tuple[tuple[float, bytes], ...] | None = None  # lines, each with its newline
    use: Timeline[Use] | None = None
    execs: tuple[tuple[tuple[str, ...], Answer], ...] | None = None  # the first whose words a command begins with

    def over(self, other: Script) -> Script:
        """This one where it speaks, the other where it does not."""
        if other == NOTHING:
            return self
        fields = {name: getattr(other if getattr(self, name) is None else self, name) for name in FIELDS}
        return Script(**fields)

    def later(self, time: float, before: Script, wanted: Script) -> Script:
        """What holds for a container that did `before` for `time` seconds and is to do this from now on.

        What this has in common with what was `wanted` of it goes on; the rest begins now.
        """
        fields = {}
        for name in FIELDS:
            own, old = getattr(self, name), getattr(before, name)
            fields[name] = old if own == getattr(wanted, name) else _spliced(name, old, own, time)
        return Script(**fields)

    @property
    def end(self) -> Ending:
        return self.ending or RUNS_ON

    def passes(self, kind: str, time: float) -> bool:
        """Whether the probe of this kind (startup, readiness, liveness) succeeds at this time."""
        found: Timeline[bool] | None = getattr(self, PROBES[kind])
        return found is None or found.at(time)

    def next(self, time: float) -> float:
        """When something happens after `time` that nobody asks for: it ends, or its readiness changes."""
        readiness = self.ready.next(time) if self.ready is not None else math.inf
        return min(self.end.after if self.end.after > time else math.inf, readiness)

    def used(self, time: float) -> tuple[float, float]:
        """Processor seconds used up to then, and bytes of memory in use."""
        if self.use is None:
            return 0.0, 0.0
        cpu = sum((end - begin) * use.cpu for begin, end, use in self.use.pieces(time))
        return cpu, self.use.at(time).memory

    def said(self, time: float) -> Sequence[tuple[float, bytes]]:
        """The lines written by then."""
        return [line for line in self.log or () if line[0] <= time]

    def answer(self, command: Sequence[str]) -> Answer | None:
        """What was said about this command; None: nothing."""
        for words, answer in self.execs or ():
            if tuple(command[: len(words)]) == words:
                return answer
        return None


FIELDS = Script.__struct_fields__
PROBES = {"startup": "started", "readiness": "ready", "liveness": "live"}
NOTHING, RUNS_ON = Script(), Ending()


def _spliced(name: str, old: Any, new: Any, time: float) -> Any:
    """The old up to a time, the new from then on."""
    if name == "ending":
        return new and msgspec.structs.replace(new, after=new.after + time)
    if name == "log":
        return (*(line for line in old or () if line[0] <= time), *((at + time, line) for at, line in new or ()))
    if name == "execs":
        return new
    usual = Timeline(Use() if name == "use" else True)
    old, new = old or usual, new or usual
    kept = [change for change in old.changes if change[0] < time]
    return Timeline(old.first, (*kept, (time, new.first), *((at + time, then) for at, then in new.changes)))
