"""Outermost: whatever goes wrong below, the client gets a Status."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import msgspec

from longboat.apiserver.request import Handler, Request, Response
from longboat.machinery.errors import StatusError, internal
from longboat.storage.interface import StorageError, Unreadable

log = logging.getLogger(__name__)

ALL_WARNINGS, A_WARNING = 4 << 10, 256  # characters of all, and of each once those are exceeded (truncateAtTotalRunes)


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
    if request.warnings:
        response.headers["Warning"] = warning(request.warnings)
    return response


def refusal(error: StatusError) -> Response:
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else {}
    return Response(error.code, msgspec.json.encode(error.status()), headers=headers)


def warning(texts: Iterable[str]) -> str:
    """RFC 7234's Warning header with code 299; several are joined into one line, each once. What is more than upstream
    sends (apiserver, WithWarningRecorder) is cut, every text, then left out."""
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
    return ", ".join(f'299 - "{_quoted(text)}"' for text in told)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
