"""The request chain: everything that happens to a request, in the order in which it happens."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from longboat.apiserver.request import Filter, Handler, Request, Response


def compose(filters: Sequence[Filter], end: Handler) -> Handler:
    """One handler out of filters, the first outermost."""
    handler = end
    for link in reversed(filters):
        handler = _linked(link, handler)
    return handler


def _linked(link: Filter, inner: Handler) -> Handler:
    def handle(request: Request) -> Awaitable[Response]:
        return link(request, inner)  # not awaited here: one coroutine per link is enough

    return handle
