"""What was sent and what was answered, as an audit event has it: JSON, whole, or not at all.

Bodies that came, or go, as something else were JSON within the server: that is kept (`sent`, `answered` of a Request).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import msgspec

from longboat.apiserver.request import Request, Response

LIGHT = 64 << 10  # bytes of both that are read and written anew where the request is: 1 ms at most
MOST = 2 << 20  # bytes of one of them: an object has 1.5 MiB at most, a list may have any number

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class TooLarge(Exception):
    """It is left out, and the event says so."""


def are_heavy(request: Request, response: Response | None = None) -> bool:
    """Whether an event with them would hold the loop."""
    size = len(request.sent) + len(request.answered)
    if response is not None and not request.answered and response.stream is None:
        size += response.size
    return size > LIGHT


def note_answer(request: Request, response: Response) -> None:
    """Keep an answer that is JSON still, and may be written as YAML, indented or compressed."""
    if response.stream is None and response.size <= MOST:
        request.answered = response.whole()


def sent(data: bytes, *, managed: bool) -> msgspec.Raw | None:
    """A request's body; None where it has none that can be read. Without managed fields, if not `managed`.

    Raises TooLarge.
    """
    return _kept(data, managed) if data else None


def answered(request: Request, response: Response, *, managed: bool) -> msgspec.Raw | None:
    """A response's body; None where it is no object. Raises TooLarge."""
    if request.answered and managed and len(request.answered) <= MOST and b"\n" not in request.answered:
        return msgspec.Raw(request.answered)  # our own JSON: nothing is to be found out about it
    if request.answered:
        return _kept(request.answered, managed)
    if response.stream is not None or response.upgrade is not None or not response.size:
        return None
    if response.size > MOST:
        raise TooLarge
    if not response.content_type.partition(";")[0].endswith("json"):
        return None
    data = response.whole()
    if response.headers.get("Content-Encoding") == "gzip":
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        data = unpacker.decompress(data, MOST + 1)
    return _kept(data, managed)


def _kept(data: bytes, managed: bool) -> msgspec.Raw | None:
    if len(data) > MOST:
        raise TooLarge
    data = data.strip()
    try:
        found = _decode(data)
    except msgspec.DecodeError:
        return None  # what cannot be read was refused; its answer says why
    as_it_is = (managed or not _strip(found)) and b"\n" not in data  # an event is one line
    return msgspec.Raw(data if as_it_is else _encode(found))


def _strip(found: Any) -> bool:
    """Take managedFields out of an object, of a list's items, of a table's rows; whether there were any."""
    stripped = False
    for each in _objects(found):
        metadata = each.get("metadata")
        if isinstance(metadata, dict) and metadata.pop("managedFields", None) is not None:
            stripped = True
    return stripped


def _objects(found: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(found, dict):
        return
    yield found
    for name, inner in (("items", ""), ("rows", "object")):
        listed = found.get(name)
        for each in listed if isinstance(listed, list) else ():
            each = each.get(inner) if inner and isinstance(each, dict) else each
            if isinstance(each, dict):
                yield each
