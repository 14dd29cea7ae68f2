"""WATCH: changes as they happen, each encoded once for all who watch."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

import msgspec

from longboat.aio.clock import Timer
from longboat.apiserver import encoding, protobufs
from longboat.apiserver.endpoint import Endpoint, include_object
from longboat.apiserver.handlers.selection import Selection, Test, asked
from longboat.apiserver.handlers.versions import version_of, wait_until
from longboat.apiserver.media import PARTIAL, PROTOBUF, TABLE, Form
from longboat.apiserver.options import ListOptions
from longboat.apiserver.request import Request, Response
from longboat.machinery.errors import StatusError, expired
from longboat.storage.entry import Change, Entry
from longboat.storage.interface import Compacted, Progress
from longboat.storage.watchcache import WatchCache
from longboat.storage.watcher import Watcher

SHORTEST = 1800  # seconds a watch lasts at least where the client does not say (apiserver, minRequestTimeout)
BOOKMARK_EVERY = 60.0  # seconds (apiserver, cacher: defaultBookmarkFrequency)
BEFORE_END = 2.0  # seconds before a watch's end at which it has its last one
PIECE = 32 << 10  # bytes
INITIAL_END = "k8s.io/initial-events-end"

_encode = msgspec.json.Encoder().encode
_dice = random.Random()


async def watch(endpoint: Endpoint, request: Request) -> Response:
    """What cannot be given, though it can be asked for, is told in the stream (apiserver, cacher)."""
    options, chosen = await asked(endpoint, request)
    version = version_of(options.version)
    stream = _Stream(endpoint, request, options, chosen)
    if options.streams_list:
        try:
            await wait_until(endpoint, version)
        except StatusError as error:
            return Response(200, content_type=request.form.stream_type, stream=_failing(error, request.form))
    cache = endpoint.store.cache
    await endpoint.store.ready(())
    initial: Iterable[bytes] = []
    if options.initial or (options.initial is None and not version):
        cache.check(stream.prefix)
        version, entries = cache.snapshot().revision, await stream.ready(chosen, cache)
        initial = stream.initial(entries)
    events = stream.run(version or cache.revision, _seconds(options), initial, end=options.streams_list)
    return Response(200, content_type=request.form.stream_type, stream=events)


def _seconds(options: ListOptions) -> float:
    """How long the watch lasts; where the client does not say, watches end at different times."""
    return max(options.seconds, 0) if options.seconds else SHORTEST * (1 + _dice.random())


async def _failing(error: StatusError, form: Form) -> AsyncIterator[bytes]:
    yield _wrap("ERROR", _encode(error.status()), form)


class _Stream:
    """One watch's output."""

    def __init__(self, endpoint: Endpoint, request: Request, options: ListOptions, chosen: Selection) -> None:
        self.prefix = endpoint.store.prefix(request.info.namespace)
        self._endpoint = endpoint
        self._form = form = request.form
        self._test: Test | None = chosen.test()
        self._tests_shown = chosen.shown is not None
        self._asks = endpoint.store.codec.asks and (self._tests_shown or endpoint.shows(form))
        self._bookmarks = options.bookmarks
        self._include = include_object(request) if form.as_kind == TABLE else ""
        self._columns_sent = False
        self._encodings = endpoint.encodings(form) if form.media_type == PROTOBUF else None
        self._seat = request.seat

    async def run(self, revision: int, seconds: float, initial: Iterable[bytes], *, end: bool) -> AsyncIterator[bytes]:
        """Event lines, several to a chunk. Ends after `seconds`, or when the client is too slow to follow."""
        clock = self._endpoint.clock
        try:
            watcher = self._endpoint.store.cache.watch(self.prefix, revision)
        except Compacted as error:
            yield self._gone(revision, error.oldest)
            return
        ends = clock.monotonic() + seconds
        timer, reminder = clock.call_later(seconds, watcher.close), self._remind(watcher, ends)
        try:
            for piece in in_pieces(initial):
                yield piece
            if end:
                yield self._bookmark(revision, ended=True)
            async for batch in watcher:
                if not isinstance(batch, Progress):
                    if self._asks:
                        await self._converted(batch)
                    if self._encodings is not None:
                        await self._encoded(self._encodings, batch)
                    for piece in in_pieces(map(self._line, batch)):
                        yield piece
                else:
                    yield self._bookmark(watcher.revision)
                    reminder = self._remind(watcher, ends)
        except Compacted as error:
            yield self._gone(watcher.revision, error.oldest)
        except StatusError as error:  # what has been sent is whole: a client goes on from there
            yield _wrap("ERROR", _encode(error.status()), self._form)
        finally:
            timer.cancel()
            if reminder is not None:
                reminder.cancel()
            watcher.close()

    async def ready(self, chosen: Selection, cache: WatchCache) -> Iterable[Entry]:
        """The entries that a watch begins with, as they are now. Raises StatusError."""
        store = self._endpoint.store
        if not self._asks:
            if self._encodings is None or self._endpoint.shows(self._form):
                return chosen.passing(cache, self.prefix)
            entries = list(chosen.passing(cache, self.prefix))
            await self._encodings.ready(entries, self._seat)
            return entries
        few = chosen.candidates(cache, self.prefix)
        entries = cache.snapshot().entries(self.prefix) if few is None else few
        if self._tests_shown:
            await store.ready(entries)
        entries = list(filter(self._test, entries))
        if self._endpoint.shows(self._form):
            await store.ready(entries)
        return entries

    async def _encoded(self, encodings: protobufs.Encodings, batch: Sequence[Change]) -> None:
        """Have at hand what is large of what events show."""
        if not self._endpoint.shows(self._form):
            told = [change for change in batch if self._told(change)[1] is not None]
            await encodings.ready([entry for change in told if (entry := change.new or change.old)], self._seat)

    async def _converted(self, batch: Sequence[Change]) -> None:
        """Have at hand what events of these changes show. Raises StatusError."""
        store, form = self._endpoint.store, self._form
        if self._tests_shown:
            await store.ready([entry for change in batch for entry in (change.old, change.new) if entry is not None])
        if not self._endpoint.shows(form):
            return
        wanted = []
        for change in batch:
            kind, entry = self._told(change)
            if entry is not None:
                if kind == "DELETED" and change.old is not None:
                    store.codec.carry(change.old, entry)
                wanted.append(entry)
        await store.ready(wanted)

    def _remind(self, watcher: Watcher, ends: float) -> Timer | None:
        """Have the watcher say how far it has come when a bookmark is due: every minute, and just before the end."""
        clock, cache = self._endpoint.clock, self._endpoint.store.cache
        wait = min(BOOKMARK_EVERY, ends - BEFORE_END - clock.monotonic())
        if not self._bookmarks or wait <= 0:
            return None
        return clock.call_later(wait, lambda: watcher.report(cache.revision))

    def initial(self, entries: Iterable[Entry]) -> Iterable[bytes]:
        """They are made as they are sent."""
        figures, watched = self._endpoint.store.cache.figures, self._endpoint.watched
        for entry in entries:
            line = self._event("ADDED", entry)
            figures.initial += 1
            watched.observe(len(line))
            yield line

    def _told(self, change: Change) -> tuple[str, Entry | None]:
        """The type of the event, and what it shows; None where it is none of the watch's."""
        test, old, new = self._test, change.old, change.new
        if test is None:
            now, before = new is not None, old is not None
        else:
            now, before = new is not None and test(new), old is not None and test(old)
        if now:
            return "MODIFIED" if before else "ADDED", new
        return ("DELETED", change.removed) if before else ("", None)

    def _line(self, change: Change) -> bytes:
        kind, entry = self._told(change)
        if entry is None:
            return b""
        line = self._shared(change, kind, entry)
        self._endpoint.watched.observe(len(line))
        return line

    def _shared(self, change: Change, kind: str, entry: Entry) -> bytes:
        """The event as all are sent it who want it in the same form."""
        form = self._form
        if form.as_kind == TABLE:
            return self._row(kind, entry)
        key = (kind, form.media_type, form.as_kind, form.version, type(self._endpoint.strategy))
        line = change.lines.get(key)
        if line is None:
            if self._encodings is not None and entry is not change.new and not self._endpoint.shows(form):
                line = protobufs.event(kind, self._encodings.removed(change))
            else:
                line = self._event(kind, entry)
            change.lines[key] = line
        return line

    def _event(self, kind: str, entry: Entry) -> bytes:
        form = self._form
        if form.as_kind == TABLE:
            return self._row(kind, entry)
        if self._endpoint.shows(form):
            entry = self._endpoint.store.codec.shown(entry)
        if self._encodings is not None:
            return protobufs.event(kind, self._encodings.object(entry))
        return _wrap(kind, encoding.item(entry, form) if form.as_kind in ("", PARTIAL) else entry.body, form)

    def _row(self, kind: str, entry: Entry) -> bytes:
        entry = self._endpoint.store.codec.shown(entry)
        version = {"resourceVersion": str(entry.revision)}
        document = self._endpoint.tables.document(
            [entry], version, self._include, self._form.version, self._endpoint.clock.now(),
            columns=not self._columns_sent,
        )  # fmt: skip
        self._columns_sent = True
        return _wrap(kind, document, self._form)

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
        body = _encode(obj) if self._form.as_kind else self._endpoint.schema.canonical(kind, obj)
        return _wrap("BOOKMARK", body, self._form)

    def _gone(self, revision: int, oldest: int) -> bytes:
        error = expired(f"too old resource version: {revision} ({oldest})")
        return _wrap("ERROR", _encode(error.status()), self._form)


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


def _wrap(kind: str, body: bytes, form: Form) -> bytes:
    """`body`: JSON, in whatever form the event is sent."""
    if form.media_type == PROTOBUF:
        return protobufs.event(kind, protobufs.of_json(body))
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), body)
