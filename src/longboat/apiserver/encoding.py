"""Objects as the client wants them: whole, as table rows, or as metadata alone. Made once per entry and form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from longboat.aio.bench import Seat
from longboat.aio.http.pieces import NONE, Pieces
from longboat.apiserver import protobufs
from longboat.apiserver.media import BROWSERS, PARTIAL, PARTIAL_LIST, PLAIN, PROTOBUF, TABLE, YAML, Form, prettily
from longboat.apiserver.request import Request, Response
from longboat.machinery import yaml_writer
from longboat.machinery.objects import Object
from longboat.machinery.table import NAME, Column
from longboat.registry.strategy import Strategy
from longboat.storage.entry import Entry, from_metadata

END = b"]}\n"  # of a list
EMPTY = Pieces((END,))

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

LITTLE = 2 << 10  # bytes of JSON that are made YAML at once (about two milliseconds)
SHORT = 256 << 10  # bytes of JSON that are indented at once (about two milliseconds)
BATCH = 64 << 10  # bytes of a list's items that are made YAML, or indented, in one piece

_JSON_TYPES = {str: "string", int: "integer", bool: "boolean", float: "number"}


def respond(status: int, body: bytes, form: Form, tail: Pieces = NONE) -> Response:
    """An answer whose JSON is this; `write_out` makes of it what was asked for. A tail ends its line itself."""
    return Response(status, body, form.content_type, form=form, tail=tail)


def ends_line(request: Request, response: Response, form: Form) -> bool:
    """End the line that a body of JSON is, where that is all that the client wants."""
    if form is not PLAIN or (request.query and "pretty" in request.query):
        return False
    if request.headers.get("user-agent", "").startswith(BROWSERS):
        return False
    body = response.body
    if not response.tail.size and body[-1:] != b"\n":
        response.body = body + b"\n"
    return True


async def write_out(request: Request, response: Response, form: Form) -> None:
    """Write a body of JSON as the client wants it: as protobuf, as YAML, indented, or as one line, which has an end."""
    if form.media_type == PROTOBUF:
        await protobufs.write_out(response, request.seat)
    elif form.media_type == YAML:
        response.body, response.tail = await in_yaml(response.whole(), request.seat), NONE
    elif form.pretty or prettily(request.arg("pretty"), request.headers.get("user-agent", "")):
        response.body, response.tail = await indented(response.whole(), request.seat), NONE
    elif not response.tail.size and not response.body.endswith(b"\n"):
        response.body += b"\n"


async def indented(body: bytes, seat: Seat) -> bytes:
    """The same document for people to read, as Go indents it."""
    if len(body) <= SHORT:
        return msgspec.json.format(body, indent=2)
    await seat.take()
    rest, name, items = await seat.run(_taken_apart, body)
    if not name:
        return await seat.run(msgspec.json.format, body, indent=2)
    head = msgspec.json.format(_encode(rest), indent=2).removesuffix(b"\n}")
    pieces = [await seat.run(_indented_items, batch) for batch in _batches(items)]
    return b'%b,\n  "%b": [%b\n  ]\n}' % (head, name.encode(), b",".join(pieces))


def _indented_items(items: list[msgspec.Raw]) -> bytes:
    """Items of a list that is a member of a document, each on new lines."""
    return msgspec.json.format(_encode(items), indent=2)[1:-2].replace(b"\n", b"\n  ")


async def in_yaml(body: bytes, seat: Seat) -> bytes:
    """The same document as YAML. It takes a hundred times as long as JSON: more than little is made beside the loop,
    a long list in pieces, so that others' work comes between them."""
    if len(body) <= LITTLE:
        return yaml_writer.encode(_decode(body))
    await seat.take()
    rest, name, items = await seat.run(_taken_apart, body)
    if not name:
        return await seat.run(yaml_writer.encode, rest)
    pieces = [yaml_writer.encode({key: value for key, value in rest.items() if key < name}), f"{name}:\n".encode()]
    for batch in _batches(items):
        pieces.append(await seat.run(_list_in_yaml, batch))
    pieces.append(yaml_writer.encode({key: value for key, value in rest.items() if key > name}))
    return b"".join(pieces)


def _taken_apart(body: bytes) -> tuple[Object, str, list[msgspec.Raw]]:
    """A document, without the list that it ends with; that list's name and its items, where it does."""
    fields: dict[str, msgspec.Raw] = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    name, last = next(reversed(fields.items()))
    items: list[msgspec.Raw] = []
    if bytes(last).startswith(b"[{"):
        items = msgspec.json.decode(last, type=list[msgspec.Raw])
        del fields[name]
    return {key: _decode(value) for key, value in fields.items()}, name if items else "", items


def _batches(items: list[msgspec.Raw]) -> Iterator[list[msgspec.Raw]]:
    batch: list[msgspec.Raw] = []
    size = 0
    for found in items:
        batch.append(found)
        size += len(bytes(found))
        if size > BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _list_in_yaml(items: list[msgspec.Raw]) -> bytes:
    return yaml_writer.encode([_decode(found) for found in items])


def partial(entry: Entry, version: str = "v1") -> bytes:
    """PartialObjectMetadata of one entry."""
    key = (PARTIAL, version)
    made = entry.encodings.get(key)
    if made is None:
        head = b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/%b","metadata":' % version.encode()
        made = entry.encodings[key] = head + entry.metadata + b"}"
    return made


def item(entry: Entry, form: Form) -> bytes:
    """One entry as part of a plain or metadata list, or of a watch."""
    return partial(entry, form.version) if form.as_kind in (PARTIAL, PARTIAL_LIST) else entry.body


def items(entries: Sequence[Entry], strategy: Strategy, form: Form) -> Pieces:
    """Entries as the items of a list, to the end of its document. Those of built-in kinds do not say what they are, as
    upstream's do not."""
    if not entries:
        return EMPTY
    if form.as_kind:
        return Pieces.of_items([partial(entry, form.version) for entry in entries], between=b",", end=END)
    if strategy.type is not None:
        return Pieces.of_items([entry.body for entry in entries], between=b",", end=END)
    return Pieces.of_items(from_metadata(entries), begin=b'{"metadata":', between=b',{"metadata":', end=END)


def list_head(strategy: Strategy, form: Form) -> bytes:
    """The beginning of a list's document, up to its metadata."""
    if form.as_kind:
        return b'{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/%b"' % form.version.encode()
    kind = strategy.kind
    return b'{"kind":"%b","apiVersion":"%b"' % (kind.list_kind.encode(), kind.api_version.encode())


class Tables:
    """Tables of one kind. A row's cells are kept with the entry; what depends on the hour is made each time."""

    def __init__(self, columns: Sequence[Column], rank: Callable[[list[Any]], Any] | None = None) -> None:
        """`columns`: the name comes first where they have none. `rank`: by which rows are sorted, of their cells."""
        self._rank = rank
        named = any(column.name == NAME.name for column in columns)
        self._columns = columns if named else (NAME, *columns)
        self._timed = tuple((i, c.value) for i, c in enumerate(self._columns) if c.timed)
        self._fixed = tuple((i, c.value) for i, c in enumerate(self._columns) if not c.timed)
        self.definitions = [
            {
                "name": column.name,
                "type": column.told_as or _JSON_TYPES[column.kind],
                "format": column.format,
                "description": column.description,
                "priority": column.priority,
            }
            for column in self._columns
        ]

    def document(
        self, entries: Iterable[Entry], list_meta: Object, include: str, version: str, now: datetime,
        *, columns: bool = True,
    ) -> bytes:  # fmt: skip
        """A whole Table. `include` is Object, Metadata or None; watches send the columns with the first event only."""
        rows = [self._row(entry, include, version, now) for entry in entries]
        if (rank := self._rank) is not None:
            rows.sort(key=lambda row: rank(row["cells"]))
        table: Object = {
            "kind": TABLE,
            "apiVersion": f"meta.k8s.io/{version}",
            "metadata": list_meta,
            "columnDefinitions": self.definitions if columns else None,
            "rows": rows,
        }
        return _encode(table)

    def _row(self, entry: Entry, include: str, version: str, now: datetime) -> Object:
        cells = self._cells(entry, now)
        row: Object = {"cells": cells}
        if include == "Object":
            row["object"] = msgspec.Raw(entry.body)
        else:
            row["object"] = None if include == "None" else msgspec.Raw(partial(entry, version))
        return row

    def _cells(self, entry: Entry, now: datetime) -> list[Any]:
        obj: Object | None = None
        fixed = entry.encodings.get(TABLE)
        if fixed is None:
            obj = _decode(entry.body)
            fixed = entry.encodings[TABLE] = [value(obj) for _, value in self._fixed]
        if not self._timed:
            return fixed
        if obj is None:
            obj = _decode(entry.body)
        cells: list[Any] = [None] * len(self._columns)
        for (i, _), cell in zip(self._fixed, fixed, strict=True):
            cells[i] = cell
        for i, value in self._timed:
            cells[i] = value(obj, now)
        return cells
