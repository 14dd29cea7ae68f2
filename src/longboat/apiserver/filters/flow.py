"""Before the work: no more requests at once than the server can carry, and users take turns.

Until priority and fairness is built: each user's requests under way are bounded, so that there is always room for
somebody else's; who has used the loop much lately waits for those who have not (`turns`); and work that would hold the
loop is done beside it, one user's after the other's (`aio.bench`).
"""

from __future__ import annotations

from collections import OrderedDict

from longboat.aio.bench import Bench, Seat
from longboat.aio.clock import Clock
from longboat.aio.usage import Usage
from longboat.apiserver.filters.requests import long_running
from longboat.apiserver.filters.turns import Turns
from longboat.apiserver.request import Filter, Handler, Request, Response
from longboat.machinery.errors import too_many_requests
from longboat.machinery.user import User

MAX_READING, MAX_WRITING = 400, 200  # upstream's max-requests-inflight and max-mutating-requests-inflight
READING = frozenset(("get", "list"))
MASTERS, NODES = "system:masters", "system:nodes"
MAX_KNOWN = 1024  # users whose use of the loop is remembered, and
MAX_NAME = 256  # characters that tell one from another
ACCOUNT, SYSTEM_ACCOUNTS = "system:serviceaccount:", "system:serviceaccount:kube-system:"


class _Flow:
    """The requests under way of one user, or of all."""

    __slots__ = ("reading", "usage", "writing")

    def __init__(self, name: str = "") -> None:
        self.usage = Usage(name)
        self.reading = 0
        self.writing = 0


def flow_control(clock: Clock) -> Filter:
    """Refuses with 429 what exceeds the limits, and has the rest wait for its turn.

    A user may have as many requests under way as there is room left for others. Exempt from limits and turns are
    system:masters; from limits long-running requests, which have bounds of their own.
    """
    turns, bench, everybody = Turns(clock.monotonic), Bench(clock), _Flow()
    known: OrderedDict[str, _Flow] = OrderedDict()

    def flow_of(user: User | None) -> _Flow:
        name = _name(user) if user is not None else ""
        flow = known.get(name)
        if flow is None:
            flow = known[name] = _Flow(name)
            if len(known) > MAX_KNOWN:
                _forget_one(known)
        else:
            known.move_to_end(name)
        return flow

    async def limit(request: Request, inner: Handler) -> Response:
        user = request.user
        flow = flow_of(user)
        request.seat = seat = Seat(bench, flow.usage)
        if user is not None and _exempt(user, request):
            try:
                return await inner(request)
            finally:
                seat.leave()
        if long_running(request):
            if not turns.at_once(flow.usage):
                await turns.wait(flow.usage)
            try:
                return await turns.measured(inner(request), flow.usage)
            finally:
                seat.leave()
        reads = request.info.verb in READING
        _enter(flow, everybody, reads)
        try:
            if not turns.at_once(flow.usage):
                await turns.wait(flow.usage)
            return await turns.measured(inner(request), flow.usage)
        finally:
            seat.leave()
            if reads:
                flow.reading -= 1
                everybody.reading -= 1
            else:
                flow.writing -= 1
                everybody.writing -= 1

    return limit


def _enter(flow: _Flow, everybody: _Flow, reads: bool) -> None:
    """Raises StatusError 429."""
    if reads:
        if flow.reading >= MAX_READING - everybody.reading:
            raise too_many_requests("Too many requests, please try again later.")
        flow.reading += 1
        everybody.reading += 1
    else:
        if flow.writing >= MAX_WRITING - everybody.writing:
            raise too_many_requests("Too many requests, please try again later.")
        flow.writing += 1
        everybody.writing += 1


def _exempt(user: User, request: Request) -> bool:
    """Those who are trusted with everything, and what keeps nodes alive and leaders elected: it never waits."""
    if MASTERS in user.groups:
        return True
    return request.info.resource == "leases" and (
        NODES in user.groups or user.name in ("system:kube-controller-manager", "system:kube-scheduler")
    )


def _name(user: User) -> str:
    """Whose turn it is: a user's, or a namespace's, whose owner makes accounts at will."""
    name = user.name
    if name.startswith(ACCOUNT) and not name.startswith(SYSTEM_ACCOUNTS):
        return name[: name.find(":", len(ACCOUNT))][:MAX_NAME]
    return name[:MAX_NAME]


def _forget_one(known: OrderedDict[str, _Flow]) -> None:
    """The one not heard of for longest that has nothing under way."""
    for name, flow in known.items():
        if not flow.reading and not flow.writing:
            del known[name]
            return
