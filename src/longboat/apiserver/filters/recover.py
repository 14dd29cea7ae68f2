"""Outermost: whatever goes wrong below, the client gets a Status."""

from __future__ import annotations

import logging

import msgspec

from longboat.apiserver.request import Handler, Request, Response
from longboat.machinery.errors import StatusError, internal
from longboat.storage.interface import StorageError, Unreadable

log = logging.getLogger(__name__)


async def recover(request: Request, inner: Handler) -> Response:
    try:
        response = await inner(request)
    except StatusError as error:
        response = refusal(error)
    except (StorageError, Unreadable) as error:
        response = refusal(internal(str(error)))
    except Exception:
        log.exception("%s %s failed (request %s)", request.method, request.path, request.request_id)
        response = refusal(internal("the request could not be completed"))
    for text in request.warnings:
        _warn(response, text)
    return response


def refusal(error: StatusError) -> Response:
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else {}
    return Response(error.code, msgspec.json.encode(error.status()), headers=headers)


def _warn(response: Response, text: str) -> None:
    """RFC 7234's Warning header with code 299; several are joined into one line."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    line = f'299 - "{quoted}"'
    before = response.headers.get("Warning")
    response.headers["Warning"] = f"{before}, {line}" if before else line
