"""What the head of a request must say beyond its grammar before a server of ours acts on it. Pure.

The words are those of Go's net/http, which Kubernetes' clients know; but where that answers 501 or 505, this is 400:
the mistake is the client's, and a 5xx has clients try again and people look for a fault of the server's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

_HOST = re.compile(r"[A-Za-z0-9!$%&'()*+,\-.:;=\[\]_~]*").fullmatch
VERSIONS = frozenset(("1.0", "1.1"))


class Refused(NamedTuple):
    """Why a request is not acted on: the connection ends with this answer."""

    status: int
    text: str


def _bad(why: str) -> Refused:
    return Refused(400, f"400 {HTTPStatus.BAD_REQUEST.phrase}: {why}")


def check(
    version: str, target: str, hosts: Sequence[str], codings: Sequence[str] = (), expect: str = ""
) -> Refused | None:
    """`hosts`, `codings`: each Host and Transfer-Encoding header; `expect`: the first Expect header.

    One Host (RFC 9112, section 3.2), which no two readers can take for different ones; no coding but chunked, alone
    (section 6.1: whoever does not understand one must not guess where the body ends); a path to ask for.
    """
    if version not in VERSIONS:
        return _bad("unsupported protocol version")
    if not target.startswith(("/", "http://", "https://")):
        return Refused(400, "400 Bad Request")  # `*`, or the address that CONNECT names: there is no such thing here
    if len(hosts) != 1:
        if hosts:
            return _bad("too many Host headers")
        if version != "1.0":
            return _bad("missing required Host header")
    elif not _HOST(hosts[0]):
        return _bad("malformed Host header")
    if codings and (len(codings) > 1 or codings[0].lower() != "chunked"):
        return _bad("unsupported transfer encoding")
    if codings and version == "1.0":
        return Refused(400, "400 Bad Request")  # HTTP/1.0 knows none: a proxy before us may have seen another body
    if expect and "100-continue" not in (token.strip().lower() for token in expect.split(",")):
        return Refused(417, "")
    return None
