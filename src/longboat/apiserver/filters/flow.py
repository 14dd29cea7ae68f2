"""Before the work: no more requests at once than the server can carry."""

from __future__ import annotations

from longboat.apiserver.filters.requests import long_running
from longboat.apiserver.request import Filter, Handler, Request, Response
from longboat.machinery.errors import too_many_requests

MAX_READING, MAX_WRITING = 400, 200  # upstream's max-requests-inflight and max-mutating-requests-inflight
READING = frozenset(("get", "list"))


def flow_control() -> Filter:
    """Refuses with 429 what exceeds the limits; long-running requests and system:masters are exempt."""
    flying = {True: 0, False: 0}

    async def limit(request: Request, inner: Handler) -> Response:
        user = request.user
        if long_running(request) or (user is not None and "system:masters" in user.groups):
            return await inner(request)
        reads = request.info.verb in READING
        if flying[reads] >= (MAX_READING if reads else MAX_WRITING):
            raise too_many_requests("Too many requests, please try again later.")
        flying[reads] += 1
        try:
            return await inner(request)
        finally:
            flying[reads] -= 1

    return limit
