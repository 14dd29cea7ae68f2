"""Who this request is in the log, what it asks for, and how long it may take."""

from __future__ import annotations

import random
from collections.abc import Awaitable

from longboat.aio.clock import Clock
from longboat.aio.deadlines import Deadlines
from longboat.apiserver import requestinfo
from longboat.apiserver.request import Filter, Handler, Request, Response
from longboat.apiserver.resources import Resources
from longboat.machinery import duration
from longboat.machinery.errors import bad_request, timeout
from longboat.machinery.uids import spelled

LONGEST = 60.0  # seconds (apiserver, RequestTimeout)

_dice = random.Random()


def _fresh_id() -> str:
    """A random UUID (version 4, RFC 9562). It is no secret, so it need not cost a system call, nor an object."""
    return spelled(_dice.randbytes(16))


async def request_id(request: Request, inner: Handler) -> Response:
    given = request.headers.get("audit-id")
    request.request_id = given[:64] if given else _fresh_id()
    response = await inner(request)
    response.headers["Audit-Id"] = request.request_id
    response.headers.update(request.marks)
    response.headers.setdefault("Cache-Control", "no-cache, private")
    return response


def parse_request_info(resources: Resources) -> Filter:
    def parse(request: Request, inner: Handler) -> Awaitable[Response]:
        understand(request, resources)
        return inner(request)

    return parse


def understand(request: Request, resources: Resources) -> None:
    """Note on it what it asks for, and of what that is served."""
    info = request.info = requestinfo.parse(request.method, request.path, request.query)
    if info.is_resource and (found := resources.find(info.group, info.version, info.resource)) is not None:
        request.kind = found.kind
        if info.subresource:
            request.part = found.parts.get(info.subresource)


# Of what somebody else serves (apiserver, BasicLongRunningRequestCheck as kube-apiserver is built with).
LONG = frozenset(("attach", "exec", "log", "portforward", "proxy"))


def long_running(request: Request) -> bool:
    info = request.info
    if info.verb == "watch" or (request.part is not None and request.part.long_running):
        return True
    return request.kind is None and (info.verb == "proxy" or info.subresource in LONG)


def deadline(clock: Clock) -> Filter:
    """Ends requests that take longer than a minute, or than the client's own `timeout`."""

    ordinary = Deadlines(clock, LONGEST)

    async def limit(request: Request, inner: Handler) -> Response:
        if long_running(request):
            return await inner(request)
        wished = _wished(request.arg("timeout"))
        seconds = wished if 0 < wished < LONGEST else LONGEST
        if request.method == "GET" and seconds == LONGEST:
            return await inner(request)  # reads come from memory: a timer would cost more than they do
        request.until = clock.monotonic() + seconds
        try:
            if seconds == LONGEST:
                return await ordinary.run(inner(request))
            async with clock.timeout(seconds):
                return await inner(request)
        except TimeoutError:
            raise timeout("Timeout: request did not complete within the allotted timeout") from None

    return limit


def _wished(text: str) -> float:
    """Seconds of the query's `timeout`; 0 where it sets none. Raises StatusError 400."""
    if not text:
        return 0.0
    try:
        return max(duration.parse(text), 0.0)
    except ValueError as error:
        raise bad_request(f"invalid timeout specified in the request URL - {error}") from None
