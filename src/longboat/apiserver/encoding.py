"""Objects as the client wants them: whole, as table rows, or as metadata alone. Made once per entry and form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from longboat.apiserver.media import PARTIAL, PARTIAL_LIST, TABLE, YAML, Form
from longboat.machinery import yaml
from longboat.machinery.objects import Object
from longboat.machinery.table import Column
from longboat.registry.strategy import Strategy
from longboat.storage.entry import Entry

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

_NAME = Column("Name", str, lambda obj: obj["metadata"]["name"], format="name")
_JSON_TYPES = {str: "string", int: "integer", bool: "boolean", float: "number"}


def finish(body: bytes, form: Form) -> bytes:
    """The last step of every answer: YAML where it was asked for."""
    return yaml.encode(_decode(body)) if form.media_type == YAML else body


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


def list_head(strategy: Strategy, form: Form) -> bytes:
    """The beginning of a list's document, up to its metadata."""
    if form.as_kind:
        return b'{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/%b"' % form.version.encode()
    kind = strategy.kind
    return b'{"kind":"%b","apiVersion":"%b"' % (kind.list_kind.encode(), kind.api_version.encode())


class Tables:
    """Tables of one kind. A row's cells are kept with the entry; what depends on the hour is made each time."""

    def __init__(self, strategy: Strategy) -> None:
        named = any(column.name == _NAME.name for column in strategy.columns)
        self._columns: Sequence[Column] = strategy.columns if named else (_NAME, *strategy.columns)
        self._timed = tuple((i, c.value) for i, c in enumerate(self._columns) if c.timed)
        self._fixed = tuple((i, c.value) for i, c in enumerate(self._columns) if not c.timed)
        self.definitions = [
            {
                "name": column.name,
                "type": _JSON_TYPES[column.kind],
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
        table: Object = {
            "kind": TABLE,
            "apiVersion": f"meta.k8s.io/{version}",
            "metadata": list_meta,
            "columnDefinitions": self.definitions if columns else None,
            "rows": [self._row(entry, include, now) for entry in entries],
        }
        return _encode(table)

    def _row(self, entry: Entry, include: str, now: datetime) -> Object:
        cells = self._cells(entry, now)
        row: Object = {"cells": cells}
        if include == "Object":
            row["object"] = msgspec.Raw(entry.body)
        elif include != "None":
            row["object"] = msgspec.Raw(partial(entry))
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
