"""The link of the chain that sees each request's end. It stands around authentication: who fails there is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime

from longboat.aio.clock import Clock
from longboat.aio.http.exchange import Socket
from longboat.apiserver.audit import events, policy
from longboat.apiserver.audit.events import COMPLETE, PANIC, STARTED, Outcome
from longboat.apiserver.audit.trail import AuditTrail
from longboat.apiserver.filters.requests import long_running
from longboat.apiserver.request import Filter, Handler, Request, Response
from longboat.machinery.errors import StatusError
from longboat.machinery.user import UNAUTHENTICATED

ABANDONED = "the request ended before it was answered: its client went away, or the server stopped"


def audit(trail: AuditTrail, clock: Clock) -> Filter:
    """Records what `policy` says: an ordinary request once it is answered, a long one when it begins and ends."""

    def record(request: Request, stage: str, outcome: Outcome, received: datetime) -> None:
        line = events.event(request, stage, outcome, received, clock.now())
        trail.record(line, authenticated=_authenticated(request))

    async def witness(request: Request, inner: Handler) -> Response:
        received = clock.now()
        try:
            response = await inner(request)
        except StatusError as error:
            if policy.recorded(request, error.code):
                record(request, COMPLETE, Outcome.refused(request, error), received)
            raise
        except asyncio.CancelledError:
            if policy.recorded(request, 0):
                record(request, COMPLETE, Outcome(0, message=ABANDONED), received)
            raise
        except Exception:
            record(request, PANIC, Outcome(500, "InternalError"), received)
            raise
        if not policy.recorded(request, response.status):
            return response
        outcome = Outcome.of(request, response)
        if long_running(request) and (response.stream is not None or response.upgrade is not None):
            record(request, STARTED, outcome, received)
            _at_end(response, lambda: record(request, COMPLETE, outcome, received))
        else:
            record(request, COMPLETE, outcome, received)
        return response

    return witness


def _authenticated(request: Request) -> bool:
    user = request.requester or request.user
    return user is not None and UNAUTHENTICATED not in user.groups


def _at_end(response: Response, told: Callable[[], None]) -> None:
    """Have `told` called when the response's stream, or the connection that it takes over, has ended."""
    if response.upgrade is not None:
        response.upgrade = _upgrade(response.upgrade, told)
    elif response.stream is not None:
        response.stream = _Stream(response.stream, told)


def _upgrade(
    upgrade: Callable[[Socket], Awaitable[None]], told: Callable[[], None]
) -> Callable[[Socket], Awaitable[None]]:
    async def run(socket: Socket) -> None:
        try:
            await upgrade(socket)
        finally:
            told()

    return run


class _Stream:
    """The same chunks; whoever reads them closes it, as any stream."""

    def __init__(self, chunks: AsyncIterator[bytes], told: Callable[[], None]) -> None:
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
            told()
