"""Outermost: whatever goes wrong below, the client gets a Status."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import msgspec

from longboat.apiserver.encoding import respond, write_out
from longboat.apiserver.media import Form, negotiate
from longboat.apiserver.request import Handler, Request, Response
from longboat.machinery.errors import StatusError, internal
from longboat.storage.interface import StorageError, Unreadable

log = logging.getLogger(__name__)

FOR_PEOPLE = Form(pretty=True)
ALL_WARNINGS, A_WARNING = 4 << 10, 256  # characters of all, and of each once those are exceeded (truncateAtTotalRunes)
MOST_WARNINGS = 64  # lines: Python's own client takes an answer with more than a hundred for a broken one


async def recover(request: Request, inner: Handler) -> Response:
    try:
        response = await inner(request)
    except StatusError as error:
        response = await refusal(error, request)
    except (StorageError, Unreadable) as error:
        response = await refusal(internal(str(error)), request)
    except Exception:
        log.exception("%s %s failed (request %s)", request.method, request.path, request.request_id)
        response = await refusal(internal("the request could not be completed"), request)
    if request.warnings:
        response.warnings = warnings(request.warnings)
    return response


async def refusal(error: StatusError, request: Request) -> Response:
    """The Status, as JSON for people where it cannot be given in what the client accepts."""
    try:
        form = negotiate(request.headers.get("accept", ""), forms=False)
    except StatusError:
        form = FOR_PEOPLE
    response = respond(error.code, msgspec.json.encode(error.status()), form)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    await write_out(request, response, form)
    return response


def warnings(texts: Iterable[str]) -> list[str]:
    """Values of RFC 7234's Warning header with code 299, for a line each: clients of upstream's read them so. Each text
    once; what is more than upstream sends (apiserver, WithWarningRecorder) is cut, every text, then left out."""
    told: list[str] = []
    length, cutting = 0, False
    for text in filter(None, dict.fromkeys(texts)):
        if cutting and length >= ALL_WARNINGS:
            break
        if not cutting and length + len(text) > ALL_WARNINGS:
            cutting = True
            told = [each[:A_WARNING] for each in told]
            length = sum(map(len, told))
        told.append(text[:A_WARNING] if cutting else text)
        length += len(told[-1])
    return [f'299 - "{_quoted(text)}"' for text in told[:MOST_WARNINGS]]


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
