"""What waits where, for people who look into it (/debug/api_priority_and_fairness): tables, with commas."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta

from longboat.aio.clock import Clock
from longboat.apiserver.fairness.control import Control
from longboat.apiserver.fairness.level import Level
from longboat.apiserver.fairness.queues import GUESS
from longboat.apiserver.request import Handler, Request, Response
from longboat.apiserver.router import no_page, only_get
from longboat.machinery.objects import micro_timestamp

PATH = "/debug/api_priority_and_fairness/"
LEVELS = ("PriorityLevelName", "ActiveQueues", "IsIdle", "IsQuiescing", "WaitingRequests", "ExecutingRequests")
QUEUES = (
    "PriorityLevelName", "Index", "PendingRequests", "ExecutingRequests", "SeatsInUse", "NextDispatchR",
    "InitialSeatsSum", "MaxSeatsSum", "TotalWorkSum",
)  # fmt: skip
REQUESTS = (
    "PriorityLevelName", "FlowSchemaName", "QueueIndex", "RequestIndexInQueue", "FlowDistingsher", "ArriveTime",
    "InitialSeats", "FinalSeats", "AdditionalLatency",
)  # fmt: skip
NONE = "<none>"

Row = Sequence[object]
Levels = Collection[Level]


def dump(control: Control, clock: Clock) -> Handler:
    async def handle(request: Request) -> Response:
        tables = {"dump_priority_levels": _levels, "dump_queues": _queues}
        what = request.path.removeprefix(PATH)
        if not request.path.startswith(PATH) or what not in (*tables, "dump_requests"):
            return no_page()
        only_get(request)
        levels = control.levels.values()
        rows = tables[what](levels) if what in tables else _requests(levels, clock)
        return Response(200, _table(rows).encode(), "text/plain; charset=utf-8")

    return handle


def _levels(levels: Levels) -> Iterator[Row]:
    yield LEVELS
    for level in levels:
        if level.limit is None:
            yield level.name, *(NONE,) * 5
            continue
        active = sum(bool(queue.waiting) for queue in level.queues.active.values()) if level.queues else 0
        idle = not level.waiting and not level.executing
        yield level.name, active, _word(idle), _word(False), level.waiting, level.executing


def _queues(levels: Levels) -> Iterator[Row]:
    """Queues that nobody uses are left out: there may be thousands."""
    yield QUEUES
    for level in levels:
        if level.limit is None:
            yield level.name, *(NONE,) * 8
        for index, queue in sorted(level.queues.active.items()) if level.queues else ():
            clock, work = f"{queue.clock:.8f}ss", f"{queue.seats * GUESS:.8f}ss"
            pending = len(queue.waiting)
            yield (level.name, index, pending, queue.executing, queue.seats_in_use, clock, queue.seats, queue.seats,
                   work)  # fmt: skip


def _requests(levels: Levels, clock: Clock) -> Iterator[Row]:
    yield REQUESTS
    for level in levels:
        for index, place, request in level.requests():
            since = clock.now() - timedelta(seconds=clock.monotonic() - request.arrived)
            yield (level.name, request.record.schema, index, place, request.flow, micro_timestamp(since),
                   request.seats, 0, "0s")  # fmt: skip


def _word(value: bool) -> str:
    return "true" if value else "false"


def _table(rows: Iterator[Row]) -> str:
    """Each column as wide as its widest cell, eight at least (tabwriter)."""
    told = ([str(cell).replace("\n", " ") for cell in row] for row in rows)
    cells = [[f"{cell}," for cell in row[:-1]] + [row[-1]] for row in told]
    widths = [max(max(map(len, column)) + 1, 8) for column in zip(*cells, strict=True)]
    widths[-1] = 0
    lines = ("".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "".join(f"{line}\n" for line in lines)
