"""Requests that others answer: so many at once for each user, no longer than their client stays, never waiting for
good for a backend that says nothing."""

from __future__ import annotations

from collections import Counter

from longboat.aio.clock import Clock
from longboat.apiserver.request import Handler, Request, Response
from longboat.machinery.errors import StatusError, too_many_requests

EACH, ALL = 250, 1000  # requests at once, of a user and of all; each is two connections
SILENT = 120.0  # seconds a backend may take until its answer begins


class Gate:
    """`guard` is put around every handler that connects to a backend."""

    def __init__(self, clock: Clock, each: int = EACH, most: int = ALL) -> None:
        self._clock = clock
        self._each, self._most = each, most
        self.under_way: Counter[str] = Counter()  # by user

    def guard(self, handler: Handler) -> Handler:
        """The same, counted from the request until its answer is through or given up."""

        async def guarded(request: Request) -> Response:
            user = request.user.name if request.user else ""
            self._enter(user)
            request.for_client_alone = True
            response = None
            try:
                async with self._clock.timeout(SILENT):
                    response = await handler(request)
            except TimeoutError:
                message = "error trying to reach service: net/http: timeout awaiting response headers"
                raise StatusError(503, "ServiceUnavailable", message) from None
            finally:
                if response is None or (response.stream is None and response.upgrade is None):
                    self._leave(user)
            if response.stream is not None or response.upgrade is not None:
                response.after(lambda: self._leave(user))
            return response

        return guarded

    def _enter(self, user: str) -> None:
        """Raises StatusError 429."""
        if self.under_way[user] >= self._each or self.under_way.total() >= self._most:
            if not self.under_way[user]:
                del self.under_way[user]
            raise too_many_requests("Too many requests, please try again later.")
        self.under_way[user] += 1

    def _leave(self, user: str) -> None:
        self.under_way[user] -= 1
        if not self.under_way[user]:
            del self.under_way[user]
