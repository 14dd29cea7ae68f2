"""The OpenAPI documents of an extension server: fetched in the background, kept for as long as they do not change."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec

from longboat.apiserver.aggregation import identity
from longboat.apiserver.aggregation.backend import Backend, Unreachable
from longboat.machinery import openapi_merge
from longboat.machinery.objects import Object

log = logging.getLogger(__name__)

MOST_PACKED = 1 << 20  # bytes of a document that is kept
JSON = {"Accept": "application/json"}


@dataclass(frozen=True, slots=True)
class Documents:
    """`older`: what its Swagger 2.0 document says of the version, packed; `newer`: where its OpenAPI 3.0 document of
    the version is to be found (serverRelativeURL); "" where it has none."""

    older: bytes = b""
    digest: str = ""
    etag: str = ""
    newer: str = ""


async def fetched(backend: Backend, known: Documents) -> Documents:
    """What it says now; what could not be had stays as it was."""
    older = await _older(backend, known)
    return Documents(older.older, older.digest, older.etag, await _newer(backend, known.newer))


async def _older(backend: Backend, known: Documents) -> Documents:
    headers = {**JSON, **({"If-None-Match": known.etag} if known.etag else {})}
    try:
        answer = await backend.get("/openapi/v2", identity.DOCUMENTING, headers)
    except Unreachable as error:
        log.info("no OpenAPI of %s: %s", backend.name, error)
        return known
    if answer.status != 200:
        return Documents() if answer.status == 404 else known
    try:
        packed = await asyncio.to_thread(_packed, answer.body, f"{backend.path}/")
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        log.info("the OpenAPI of %s cannot be used: %s", backend.name, error)
        return known
    return Documents(packed, sha256(packed).hexdigest(), answer.headers.get("etag", "")[:256])


async def _newer(backend: Backend, known: str) -> str:
    try:
        answer = await backend.get("/openapi/v3", identity.DOCUMENTING, JSON)
        if answer.status != 200:
            return "" if answer.status == 404 else known
        found: Any = msgspec.json.decode(answer.body)
        url = found["paths"][backend.path.removeprefix("/")]["serverRelativeURL"]
    except (Unreachable, msgspec.DecodeError, LookupError, TypeError):
        return known
    # It is shown to clients as a place on this server, and has to be one of its own documents.
    own = f"/openapi/v3{backend.path}"
    return url if isinstance(url, str) and len(url) < 1024 and url.partition("?")[0] == own else own


def _packed(body: bytes, prefix: str) -> bytes:
    """Raises DecodeError, ValueError."""
    found = msgspec.json.decode(body)
    if not isinstance(found, dict):
        raise ValueError("it is no object")
    packed = gzip.compress(msgspec.json.encode(openapi_merge.restricted(found, prefix)), 5, mtime=0)
    if len(packed) > MOST_PACKED:
        raise ValueError(f"it has more than {MOST_PACKED} bytes, packed")
    return packed


def merged(ours: bytes, theirs: Iterable[bytes]) -> bytes:
    """Our Swagger 2.0 document with those of others."""
    document: Object = msgspec.json.decode(ours)
    for packed in theirs:
        try:
            openapi_merge.merge(document, msgspec.json.decode(gzip.decompress(packed)))
        except RecursionError:
            log.warning("the OpenAPI of an extension server is too deep: it is left out")
    return msgspec.json.encode(document)
