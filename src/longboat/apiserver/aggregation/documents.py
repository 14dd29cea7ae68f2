"""The OpenAPI documents of an extension server: fetched in the background, kept for as long as they do not change."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from longboat.apiserver.aggregation import identity
from longboat.apiserver.aggregation.backend import Backend, Unreachable
from longboat.machinery import openapi_convert, openapi_merge, openapi_proto, openapi_v3_proto
from longboat.machinery.objects import Object

log = logging.getLogger(__name__)

MOST = 8 << 20  # bytes of a document
MOST_INDEX = 1 << 20  # and of the list of newer ones
MOST_SAID = 4 << 20  # bytes of a document that are of the version
MOST_PACKED = 1 << 20  # and as it is kept
JSON = {"Accept": "application/json"}


@dataclass(frozen=True, slots=True)
class Documents:
    """`older`: what its Swagger 2.0 document says of the version, packed; `newer`: where its OpenAPI 3.0 document of
    the version is to be found (serverRelativeURL); "" where it has none, None where that is not known."""

    older: bytes = b""
    digest: str = ""
    etag: str = ""
    newer: str | None = None


class _Index(msgspec.Struct):
    paths: dict[str, msgspec.Raw] = {}


class _Place(msgspec.Struct):
    serverRelativeURL: str


async def fetched(backend: Backend, known: Documents) -> Documents:
    """What it says now; what could not be had stays as it was."""
    older = await _older(backend, known)
    return Documents(older.older, older.digest, older.etag, await _newer(backend, known.newer))


async def _older(backend: Backend, known: Documents) -> Documents:
    headers = {**JSON, **({"If-None-Match": known.etag} if known.etag else {})}
    try:
        answer = await backend.get("/openapi/v2", identity.DOCUMENTING, headers, MOST)
    except Unreachable as error:
        log.info("no OpenAPI of %s: %s", backend.name, error)
        return known
    if answer.status != 200:
        return Documents() if answer.status == 404 else known
    try:
        packed = await asyncio.to_thread(_packed, answer.body, f"{backend.path}/")
    except Exception as error:  # noqa: BLE001 - whatever a stranger's document breaks, it breaks for itself alone
        log.info("the OpenAPI of %s cannot be used: %s", backend.name, error)
        return known
    return Documents(packed, sha256(packed).hexdigest(), answer.headers.get("etag", "")[:256])


async def _newer(backend: Backend, known: str | None) -> str | None:
    try:
        answer = await backend.get("/openapi/v3", identity.DOCUMENTING, JSON, MOST_INDEX)
        if answer.status != 200:
            return "" if answer.status == 404 else known
        found = msgspec.json.decode(answer.body, type=_Index)
        url = msgspec.json.decode(found.paths[backend.path.removeprefix("/")], type=_Place).serverRelativeURL
    except (Unreachable, msgspec.DecodeError, RecursionError, KeyError):
        return known
    # It is shown to clients as a place on this server, and has to be one of its own documents.
    own = f"/openapi/v3{backend.path}"
    return url if len(url) < 1024 and url.partition("?")[0] == own else own


def _packed(body: bytes, prefix: str) -> bytes:
    """Raises what not, of a document that has not its shape."""
    found = openapi_merge.restricted(body, prefix, MOST_SAID)
    # What cannot be written in every form is no document.
    openapi_proto.encode({"swagger": "2.0", "info": {"title": "", "version": ""}, "definitions": {}, **found})
    openapi_v3_proto.encode(openapi_convert.converted(found))
    packed = gzip.compress(msgspec.json.encode(found), 5, mtime=0)
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


def newer(packed: bytes) -> bytes:
    """An OpenAPI 3.0 document, made of what a Swagger 2.0 one says."""
    return msgspec.json.encode(openapi_convert.converted(msgspec.json.decode(gzip.decompress(packed))))
