"""Requests for what an extension server serves: passed on as they are, with who asks (kube-aggregator, proxy)."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from urllib.parse import quote, urlencode

from longboat.aio.clock import Clock
from longboat.aio.http.message import CutShort
from longboat.apiserver.aggregation import identity
from longboat.apiserver.aggregation.backend import Backend, Unreachable, Unresolved, Way
from longboat.apiserver.endpoint import MAX_BODY
from longboat.apiserver.filters.requests import LONGEST, long_running
from longboat.apiserver.request import Request, Response
from longboat.apiserver.router import no_page
from longboat.apiserver.streams import relay
from longboat.machinery.errors import StatusError, timeout

REPEATABLE = ("GET", "HEAD", "OPTIONS")  # net/http's Request.isReplayable
REDIRECTED = b"the backend attempted to redirect this request, which is not permitted"


def plain(status: int, text: str) -> Response:
    """As net/http's Error writes it."""
    headers = {"X-Content-Type-Options": "nosniff"}
    return Response(status, f"{text}\n".encode(), "text/plain; charset=utf-8", headers)


async def pass_on(request: Request, backend: Backend, clock: Clock) -> Response:
    """The extension server's answer, or that there is none. Raises StatusError 504."""
    if any(part in ("", ".", "..") for part in request.path.rstrip("/").split("/")[1:]):
        return no_page()  # it would be authorized as one path, and might be served as another
    if not backend.available:
        return plain(503, "service unavailable")
    if long_running(request):
        return await _passed(request, backend)
    try:
        async with clock.timeout(LONGEST):
            return await _passed(request, backend)
    except TimeoutError:
        raise timeout("Timeout: request did not complete within the allotted timeout") from None


async def _passed(request: Request, backend: Backend) -> Response:
    assert request.user is not None
    try:
        said = [*identity.headers(request.user), ("Audit-Id", request.request_id)]
        way = await backend.connect(new=relay.wants_upgrade(request))
        try:
            return await _answered(request, backend, way, said)
        except relay.Unanswered:
            # It had been closed, as it seems, before the question came.
            if not way.used or request.method not in REPEATABLE or _streams(request):
                raise
            return await _answered(request, backend, await backend.connect(new=True), said)
    except Unresolved:
        return plain(503, "service unavailable")
    except Unreachable as error:
        return plain(503, f"error trying to reach service: {error}")
    except (ssl.SSLError, ValueError) as error:
        return plain(500, str(error))
    except StatusError as error:
        if error.reason not in ("ServiceUnavailable", "InternalError"):
            raise
        return plain(503, error.message)


async def _answered(request: Request, backend: Backend, way: Way, said: list[tuple[str, str]]) -> Response:
    query = request.raw_query or urlencode(request.query, doseq=True)  # only what a network brings comes raw
    target = quote(request.path, safe=relay.PATH) + (f"?{query}" if query else "")
    if relay.wants_upgrade(request):
        return await relay.upgrade(request, way.connection, backend.host, target, said)
    body = _pieces(request) if _streams(request) else await request.read_body(MAX_BODY)
    response = await relay.forward(request, way.connection, backend.host, target, body, said, way.keep)
    response.headers.pop("Audit-Id", None)  # it is said once, by us
    if 300 <= response.status < 400 and response.headers.get("Location"):
        response.end()
        return Response(502, REDIRECTED, "text/plain; charset=utf-8")
    return response


def _streams(request: Request) -> bool:
    """Whether it has a body that comes over a network."""
    told = "content-length" in request.headers or "transfer-encoding" in request.headers
    return told and request.read_piece is not None


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    assert request.read_piece is not None
    try:
        while piece := await request.read_piece():
            yield piece
    except CutShort:
        raise ConnectionResetError("the client broke off") from None
