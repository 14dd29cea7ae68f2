"""What is refused by path, method and media type alone, in the words of upstream's router, before anything is read.

Upstream has two: go-restful under the groups that it is built with, which answers with a Status, and a plain mux for
all other paths. Kinds that are brought along are behind the mux: their media types are first looked at by the
negotiation.
"""

from __future__ import annotations

from longboat.aio.cache import short_lru
from longboat.apiserver.media import JSON, PLAIN, STREAMED, WHOLE, negotiate
from longboat.apiserver.request import Request, Response
from longboat.machinery.errors import method_not_allowed, not_acceptable, unsupported_media_type
from longboat.machinery.patch.document import APPLY, MERGE, STRATEGIC
from longboat.machinery.patch.document import JSON as JSON_PATCH
from longboat.registry.strategy import Strategy

LISTED = (*WHOLE, *STREAMED)
TEXT = ("text/plain", *WHOLE)
PATCHES = (JSON_PATCH, MERGE, STRATEGIC, APPLY)


def no_page() -> Response:
    """For a path that nobody serves (net/http, NotFound)."""
    headers = {"X-Content-Type-Options": "nosniff"}
    return Response(404, b"404 page not found\n", "text/plain; charset=utf-8", headers)


def check_media(
    request: Request, strategy: Strategy, *, forms: bool = False, streams: bool = False, text: bool = False
) -> None:
    """Note the form that the client accepts. `forms`: tables and metadata are given too; `streams`: it is a watch;
    `text`: it is no object that is given.

    Raises StatusError 406, 415.
    """
    accept, routed = request.headers.get("accept", ""), strategy.type is None
    if routed and request.method == "PATCH":
        check_content_type(request.headers.get("content-type", ""), PATCHES)
    if not accept or accept == JSON:
        return
    if routed:
        listing = streams or request.info.verb == "list"
        check_accept(accept, LISTED if listing else TEXT if text else WHOLE)
    request.form = (
        PLAIN if text else negotiate(accept, forms=forms, streams=streams, protobuf=routed and strategy.protobuf)
    )


@short_lru(maxsize=256, longest=512)
def check_accept(accept: str, given: tuple[str, ...]) -> None:
    """The router knows no order, no parameters, and of patterns only that for all. Raises StatusError 406."""
    offered = {clause.partition(";")[0].strip() for clause in accept.split(",")}
    if "*/*" not in offered and offered.isdisjoint(given):
        raise not_acceptable(f"406: Not Acceptable\n\nAvailable representations: {', '.join(given)}", {})


@short_lru(maxsize=64, longest=512)
def check_content_type(content_type: str, taken: tuple[str, ...]) -> None:
    """Raises StatusError 415."""
    offered = {clause.partition(";")[0].strip() for clause in content_type.split(",")}
    if "*/*" not in offered and offered.isdisjoint(taken):
        raise unsupported_media_type("415: Unsupported Media Type", {})


def only_get(request: Request) -> None:
    """Raises StatusError 405."""
    if request.method != "GET":
        raise method_not_allowed()
