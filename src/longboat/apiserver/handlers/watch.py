"""WATCH: changes as they happen, each encoded once for all who watch."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterable, Iterator

import msgspec

from longboat.apiserver import encoding
from longboat.apiserver.endpoint import Endpoint, include_object, invalid_options
from longboat.apiserver.handlers.list import NOT_OLDER, check_match
from longboat.apiserver.handlers.selection import Test, selection
from longboat.apiserver.handlers.versions import wait_until
from longboat.apiserver.media import PARTIAL, TABLE, Form
from longboat.apiserver.request import Request, Response
from longboat.machinery.errors import bad_request, expired
from longboat.machinery.fieldpath import Errors, Path
from longboat.storage.entry import Change, Entry
from longboat.storage.interface import Compacted, Progress

SHORTEST = 1800  # seconds a watch lasts at least where the client does not say (apiserver, minRequestTimeout)
BOOKMARK_EVERY = 60.0
PIECE = 32 << 10  # bytes
INITIAL_END = "k8s.io/initial-events-end"

_encode = msgspec.json.Encoder().encode
_dice = random.Random()


async def watch(endpoint: Endpoint, request: Request) -> Response:
    chosen = await selection(endpoint, request)
    form = request.form
    version, streaming = request.arg("resourceVersion"), _streams_initial(request)
    seconds = _seconds(request)
    wanted = await wait_until(endpoint, version)
    stream = _Stream(endpoint, request, form, chosen.test())
    if streaming or wanted == 0:
        endpoint.store.cache.check(stream.prefix)
        initial = endpoint.store.cache.snapshot()
        initial_events: Iterable[bytes] = []
        if request.arg("sendInitialEvents") != "false":
            initial_events = stream.initial(chosen.passing(endpoint.store.cache, stream.prefix))
        events = stream.run(initial.revision, seconds, initial_events, end=streaming)
    else:
        events = stream.run(wanted, seconds, [], end=False)
    return Response(200, content_type=_content_type(form), stream=events)


def _content_type(form: Form) -> str:
    return form.content_type


def _streams_initial(request: Request) -> bool:
    """Whether the watch begins with a list (KEP-3157). Raises StatusError 422."""
    wish, match = request.arg("sendInitialEvents"), request.arg("resourceVersionMatch")
    if not wish:
        check_match(request.arg("resourceVersion"), match, "", watch=True)
        return False
    err = Errors()
    if match != NOT_OLDER:
        path = Path("resourceVersionMatch")
        if match:
            err.not_supported(path, match, (NOT_OLDER,))
        else:
            err.forbidden(
                Path("sendInitialEvents"), "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            )
    if err:
        raise invalid_options("ListOptions", err)
    return request.flag("sendInitialEvents")


def _seconds(request: Request) -> float:
    text = request.arg("timeoutSeconds")
    if not text:
        return SHORTEST * (1 + _dice.random())
    try:
        return float(int(text)) or SHORTEST
    except ValueError:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


class _Stream:
    """One watch's output."""

    def __init__(self, endpoint: Endpoint, request: Request, form: Form, test: Test | None) -> None:
        self.prefix = endpoint.store.prefix(request.info.namespace)
        self._endpoint = endpoint
        self._form = form
        self._test = test
        self._bookmarks = request.flag("allowWatchBookmarks")
        self._include = include_object(request) if form.as_kind == TABLE else ""
        self._columns_sent = False

    async def run(self, revision: int, seconds: float, initial: Iterable[bytes], *, end: bool) -> AsyncIterator[bytes]:
        """Event lines, several to a chunk. Ends after `seconds`, or when the client is too slow to follow."""
        clock = self._endpoint.clock
        try:
            watcher = self._endpoint.store.cache.watch(self.prefix, revision)
        except Compacted:
            yield self._gone(revision)
            return
        timer = clock.call_later(seconds, watcher.close)
        try:
            for piece in in_pieces(initial):
                yield piece
            if end:
                yield self._bookmark(revision, ended=True)
            marked = clock.monotonic()
            async for batch in watcher:
                if not isinstance(batch, Progress):
                    for piece in in_pieces(map(self._line, batch)):
                        yield piece
                if self._bookmarks and clock.monotonic() - marked >= BOOKMARK_EVERY:
                    yield self._bookmark(watcher.revision)
                    marked = clock.monotonic()
        except Compacted:
            yield self._gone(revision)
        finally:
            timer.cancel()
            watcher.close()

    def initial(self, entries: Iterable[Entry]) -> Iterable[bytes]:
        return (self._event("ADDED", entry) for entry in entries)

    def _line(self, change: Change) -> bytes:
        test, old, new = self._test, change.old, change.new
        if test is None:
            now, before = new is not None, old is not None
        else:
            now, before = new is not None and test(new), old is not None and test(old)
        if not now and not before:
            return b""
        kind, entry = ("MODIFIED" if before else "ADDED", new) if now else ("DELETED", change.removed)
        assert entry is not None
        form = self._form
        if form.as_kind == TABLE:
            return self._row(kind, entry)
        key = (kind, form.as_kind, form.version, type(self._endpoint.strategy))
        line = change.lines.get(key)
        if line is None:
            line = change.lines[key] = self._event(kind, entry)
        return line

    def _event(self, kind: str, entry: Entry) -> bytes:
        form = self._form
        if form.as_kind == TABLE:
            return self._row(kind, entry)
        entry = self._endpoint.store.codec.shown(entry)
        return _wrap(kind, encoding.item(entry, form) if form.as_kind in ("", PARTIAL) else entry.body)

    def _row(self, kind: str, entry: Entry) -> bytes:
        entry = self._endpoint.store.codec.shown(entry)
        version = {"resourceVersion": str(entry.revision)}
        document = self._endpoint.tables.document(
            [entry], version, self._include, self._form.version, self._endpoint.clock.now(),
            columns=not self._columns_sent,
        )  # fmt: skip
        self._columns_sent = True
        return _wrap(kind, document)

    def _bookmark(self, revision: int, *, ended: bool = False) -> bytes:
        kind = self._endpoint.kind
        name, version = kind.name, kind.api_version
        if self._form.as_kind:
            name, version = self._form.as_kind, f"meta.k8s.io/{self._form.version}"
        found: dict[str, object] = {"resourceVersion": str(revision)}
        if ended:
            found["annotations"] = {INITIAL_END: "true"}
        obj: dict[str, object] = {"kind": name, "apiVersion": version, "metadata": found}
        if name == TABLE:
            obj = {
                "kind": name, "apiVersion": version, "metadata": {"resourceVersion": str(revision)},
                "columnDefinitions": None, "rows": [{"cells": [], "object": {
                    "kind": "PartialObjectMetadata", "apiVersion": version, "metadata": found}}],
            }  # fmt: skip
        return _wrap("BOOKMARK", _encode(obj) if self._form.as_kind else self._endpoint.schema.canonical(kind, obj))

    def _gone(self, revision: int) -> bytes:
        error = expired(f"too old resource version: {revision} ({self._endpoint.store.cache.revision})")
        return _wrap("ERROR", _encode(error.status()))


def in_pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines joined to pieces of some length, each made when it is asked for: a client that does not read has no more
    than one of them made for it."""
    found, size = [], 0
    for line in lines:
        found.append(line)
        size += len(line)
        if size >= PIECE:
            yield b"".join(found)
            found, size = [], 0
    if size:
        yield b"".join(found)


def _wrap(kind: str, body: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), body)
