"""Before the work: no more requests at once than the server can carry, and users take turns.

Two things guard one client from another. Priority and fairness (`apiserver.fairness`) bounds what is under way at each
priority level, as upstream does, by what administrators configure. And since all of it happens on one loop, who has
used that much lately waits for those who have not (`turns`), and work that would hold it is done beside it, one user's
after the other's (`aio.bench`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from longboat.aio.bench import Bench, Seat
from longboat.aio.clock import Clock
from longboat.aio.http.pieces import SMALL
from longboat.aio.usage import Usage
from longboat.apiserver.fairness.control import Control
from longboat.apiserver.fairness.level import Rejected
from longboat.apiserver.fairness.queues import Waiting
from longboat.apiserver.fairness.work import Work
from longboat.apiserver.filters.requests import long_running
from longboat.apiserver.filters.turns import Turns
from longboat.apiserver.request import Filter, Handler, Request, Response
from longboat.machinery.user import User

MAX_READING, MAX_WRITING = 400, 200  # upstream's max-requests-inflight and max-mutating-requests-inflight
NODES = "system:nodes"
MAX_KNOWN = 1024  # users whose use of the loop is remembered, and
MAX_NAME = 256  # characters that tell one from another
ACCOUNT, SYSTEM_ACCOUNTS = "system:serviceaccount:", "system:serviceaccount:kube-system:"
SENDING = 0.25  # seconds for which a long answer that is being sent keeps its place: who does not read it must not
NOBODY = User("")


def flow_control(control: Control, work: Work, clock: Clock) -> Filter:
    """Has each request wait until there is a place for it at its priority level, and then for its user's turn.

    What is exempt there takes no turns, nor does what keeps nodes alive and leaders elected. Long-running requests but
    watches have bounds of their own; a watch has its place until it has begun.
    """
    turns, bench = Turns(clock.monotonic), Bench(clock)
    known: OrderedDict[str, Usage] = OrderedDict()

    def usage_of(user: User) -> Usage:
        name = _name(user)
        usage = known.get(name)
        if usage is None:
            usage = known[name] = Usage(name)
            if len(known) > MAX_KNOWN:
                known.popitem(last=False)
        else:
            known.move_to_end(name)
        return usage

    async def in_turn(request: Request, inner: Handler, usage: Usage) -> Response:
        if not turns.at_once(usage):
            await turns.wait(usage)
        return await turns.measured(inner(request), usage)

    async def limit(request: Request, inner: Handler) -> Response:
        user = request.user or NOBODY
        usage = usage_of(user)
        request.seat = seat = Seat(bench, usage)
        watches = request.info.verb == "watch"
        if long_running(request) and not watches:
            try:
                return await in_turn(request, inner, usage)
            finally:
                seat.leave()
        level, record, flow, request.marks = control.caught(user, request.info)
        if level.limit is None:  # exempt: who is counted, and no more
            record.narrow += 1
            record.executing += 1
            try:
                return await inner(request)
            finally:
                record.executing -= 1
                seat.leave()
        seats = work.seats(request, level.widest)
        try:
            entered = level.enter(record, flow, seats)
            if isinstance(entered, Waiting):
                await level.wait(entered)
        except Rejected:
            return _too_many()
        sending = False

        def leave() -> None:
            level.leave(record, seats, entered, watches)

        try:
            response = await (inner(request) if _keeps_alive(user, request) else in_turn(request, inner, usage))
            sending = response.size > SMALL
            if sending:
                _once_sent(response, leave, clock)
            return response
        finally:
            seat.leave()
            if not sending:
                leave()

    return limit


def _once_sent(response: Response, leave: Callable[[], None], clock: Clock) -> None:
    """Have it leave when the answer has been sent, which may be most of the work; or its client takes its time."""
    left = False

    def once() -> None:
        nonlocal left
        if not left:
            left = True
            leave()

    timer = clock.call_later(SENDING, once)

    def sent() -> None:
        timer.cancel()
        once()

    response.after(sent)


def _too_many() -> Response:
    """As upstream's filter answers, which is no Status."""
    headers = {"Retry-After": "1", "X-Content-Type-Options": "nosniff"}
    return Response(
        429, b"Too many requests, please try again later.\n", "text/plain; charset=utf-8", headers=headers
    )  # fmt: skip


def _keeps_alive(user: User, request: Request) -> bool:
    """What keeps nodes alive and leaders elected."""
    return request.info.resource == "leases" and (
        NODES in user.groups or user.name in ("system:kube-controller-manager", "system:kube-scheduler")
    )


def _name(user: User) -> str:
    """Whose turn it is: a user's, or a namespace's, whose owner makes accounts at will."""
    name = user.name
    if name.startswith(ACCOUNT) and not name.startswith(SYSTEM_ACCOUNTS):
        return name[: name.find(":", len(ACCOUNT))][:MAX_NAME]
    return name[:MAX_NAME]
