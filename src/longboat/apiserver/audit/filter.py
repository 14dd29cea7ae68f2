"""The links of the chain that see whose a request is, and its end. One stands around authentication: who fails there is
recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime

from longboat.aio.clock import Clock
from longboat.aio.http.exchange import Socket
from longboat.apiserver.audit import events, policy
from longboat.apiserver.audit.events import AS_METADATA, Outcome
from longboat.apiserver.audit.objects import are_heavy
from longboat.apiserver.audit.rules import COMPLETE, NONE, PANIC, RECEIVED, STARTED, Policy
from longboat.apiserver.audit.sinks import Sinks
from longboat.apiserver.audit.trail import COUNTS
from longboat.apiserver.filters.requests import long_running
from longboat.apiserver.request import Filter, Handler, Judged, Request, Response
from longboat.machinery.errors import StatusError
from longboat.machinery.user import UNAUTHENTICATED

ABANDONED = "the request ended before it was answered: its client went away, or the server stopped"


def audit(sinks: Sinks, clock: Clock, rules: Policy | None = None) -> Filter:
    """Records what `rules` say, or else `policy`: an ordinary request once it is answered, a long one when it begins
    and when it ends."""

    def judge(request: Request, code: int) -> Judged | None:
        """None: nothing is recorded of it."""
        if rules is None:
            return AS_METADATA if policy.recorded(request, code) else None
        judged = request.judged or _judged(request, rules)
        return None if judged.level == NONE else judged

    def record(
        request: Request, stage: str, outcome: Outcome, received: datetime, judged: Judged
    ) -> Awaitable[bool] | None:
        if stage in judged.omitted:
            return None
        now = clock.now()
        if judged.bodies and are_heavy(request):
            return beside(request, stage, outcome, received, now, judged)
        line = events.event(request, stage, outcome, received, now, judged)
        return sinks.record(line, authenticated=_authenticated(request))

    async def beside(
        request: Request, stage: str, outcome: Outcome, received: datetime, now: datetime, judged: Judged
    ) -> bool:
        line = await request.seat.beside(events.event, request, stage, outcome, received, now, judged)
        pending = sinks.record(line, authenticated=_authenticated(request))
        return True if pending is None else await pending

    async def at_once(request: Request, outcome: Outcome, received: datetime, judged: Judged) -> None:
        """Of a request that has been answered, or is not going to be."""
        if rules is not None and long_running(request) and outcome.code:
            await _through(record(request, STARTED, outcome, received, judged))
        await _through(record(request, COMPLETE, outcome, received, judged))

    async def witness(request: Request, inner: Handler) -> Response:
        received = clock.now()
        try:
            response = await inner(request)
        except StatusError as error:
            if (judged := judge(request, error.code)) is not None:
                await at_once(request, Outcome.refused(request, error, judged), received, judged)
            raise
        except asyncio.CancelledError:
            if (judged := judge(request, 0)) is not None:
                await at_once(request, Outcome(0, message=ABANDONED), received, judged)
            raise
        except Exception:
            if (judged := judge(request, 500)) is not None:
                await _through(record(request, PANIC, Outcome(500, "InternalError"), received, judged))
            raise
        judged = judge(request, response.status)
        if judged is None:
            return response
        if judged.bodies and are_heavy(request, response):
            outcome = await request.seat.beside(Outcome.of, request, response, judged)
        else:
            outcome = Outcome.of(request, response, judged)
        if long_running(request) and (response.stream is not None or response.upgrade is not None):
            await _through(record(request, STARTED, outcome, received, judged))
            _at_end(response, lambda: record(request, COMPLETE, outcome, received, judged))
        elif rules is not None and long_running(request):
            await at_once(request, outcome, received, judged)
        elif (pending := record(request, COMPLETE, outcome, received, judged)) is not None:
            await pending
        return response

    return witness


def received(sinks: Sinks, clock: Clock, rules: Policy) -> Filter:
    """Judges a request once it is known who asks, and records that it has come."""

    async def note(request: Request, inner: Handler) -> Response:
        judged = _judged(request, rules)
        if judged.level != NONE and RECEIVED not in judged.omitted:
            now = clock.now()
            line = events.event(request, RECEIVED, Outcome(0), now, now, judged)
            pending = sinks.record(line, authenticated=_authenticated(request))
            if pending is not None and not await pending and sinks.strict:
                COUNTS.rejected += 1
                said = f'Internal Server Error: "{request.path}": failed to store audit event\n'
                return Response(500, said.encode(), "text/plain; charset=utf-8")
        return await inner(request)

    return note


def _judged(request: Request, rules: Policy) -> Judged:
    request.judged = judged = rules.judge(request)
    COUNTS.levels[judged.level] += 1
    return judged


def _authenticated(request: Request) -> bool:
    user = request.requester or request.user
    return user is not None and UNAUTHENTICATED not in user.groups


async def _through(pending: Awaitable[bool] | None) -> None:
    if pending is not None:
        await pending


Told = Callable[[], Awaitable[bool] | None]


def _at_end(response: Response, told: Told) -> None:
    """Have `told` called when the response's stream, or the connection that it takes over, has ended."""
    if response.upgrade is not None:
        response.upgrade = _upgrade(response.upgrade, told)
    elif response.stream is not None:
        response.stream = _Stream(response.stream, told)


def _upgrade(upgrade: Callable[[Socket], Awaitable[None]], told: Told) -> Callable[[Socket], Awaitable[None]]:
    async def run(socket: Socket) -> None:
        try:
            await upgrade(socket)
        finally:
            await _through(told())

    return run


class _Stream:
    """The same chunks; whoever reads them closes it, as any stream."""

    def __init__(self, chunks: AsyncIterator[bytes], told: Told) -> None:
        self._chunks = chunks
        self._told = told

    def __aiter__(self) -> _Stream:
        return self

    def __anext__(self) -> Awaitable[bytes]:
        return self._chunks.__anext__()

    async def aclose(self) -> None:
        told, self._told = self._told, lambda: None
        try:
            if (close := getattr(self._chunks, "aclose", None)) is not None:
                await close()
        finally:
            await _through(told())
