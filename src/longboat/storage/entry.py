"""What the watch cache keeps of an object: its JSON bytes, ready to send, and what selectors ask of it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

Labels: TypeAlias = Mapping[str, str]
Describe: TypeAlias = Callable[[bytes], tuple[Labels, Mapping[str, str]]]
"""From an object's JSON to its labels and its selectable fields."""


class NameFields(Mapping[str, str]):
    """The selectable fields that every kind has. Most have no others, and a dictionary for each object is dear."""

    __slots__ = ("_name", "_namespace")

    def __init__(self, name: str, namespace: str) -> None:
        self._name = name
        self._namespace = sys.intern(namespace)

    def __getitem__(self, field: str) -> str:
        if field == "metadata.name":
            return self._name
        if field == "metadata.namespace":
            return self._namespace
        raise KeyError(field)

    def __iter__(self) -> Iterator[str]:
        return iter(("metadata.name", "metadata.namespace"))

    def __len__(self) -> int:
        return 2


class Entry:
    """One object at one revision. Shared by all readers and never changed, but for `encodings`, which they fill, and
    `labels`, which become those of all entries with the same ones (labels.py)."""

    __slots__ = ("_encodings", "_end", "_start", "body", "fields", "key", "labels", "revision")

    def __init__(self, key: str, revision: int, plain: bytes, labels: Labels, fields: Mapping[str, str]) -> None:
        """Raises ValueError if `plain` is not the JSON of an object with metadata."""
        self.key = key
        self.revision = revision
        self.labels = labels
        self.fields = fields
        self.body, self._start, self._end = splice(plain, revision)
        self._encodings: dict[Any, Any] | None = None

    @property
    def metadata(self) -> bytes:
        """The JSON of the object's metadata, resourceVersion included."""
        return self.body[self._start : self._end]

    @property
    def encodings(self) -> dict[Any, Any]:
        """Other forms of this object, made by the first reader who needs one: (version, media type) → bytes."""
        if self._encodings is None:
            self._encodings = {}
        return self._encodings

    def at(self, revision: int) -> Entry:
        """The same object with another resourceVersion, as the event that removes it shows it."""
        return Entry(self.key, revision, self.body, self.labels, self.fields)

    def __repr__(self) -> str:
        return f"Entry({self.key!r}, {self.revision})"


def from_metadata(entries: Iterable[Entry]) -> list[bytes]:
    """Each object's JSON from the value of its metadata to the end: all but what it says it is."""
    return [entry.body[entry._start :] for entry in entries]


class Change:
    """One event: what was at the key before (None: nothing) and what is there now (None: nothing)."""

    __slots__ = ("_lines", "_removed", "new", "old", "revision")

    def __init__(self, revision: int, old: Entry | None, new: Entry | None) -> None:
        self.revision = revision
        self.old = old
        self.new = new
        self._removed: Entry | None = None
        self._lines: dict[Any, bytes] | None = None

    @property
    def key(self) -> str:
        entry = self.new or self.old
        assert entry is not None
        return entry.key

    @property
    def removed(self) -> Entry:
        """The old object carrying this change's revision: what a DELETED event shows. Made once for all watchers."""
        if self._removed is None:
            assert self.old is not None
            self._removed = self.old.at(self.revision)
        return self._removed

    @property
    def lines(self) -> dict[Any, bytes]:
        """This event as watchers are sent it, made by the first of them. It goes when the change leaves the ring."""
        if self._lines is None:
            self._lines = {}
        return self._lines

    def __repr__(self) -> str:
        return f"Change({self.revision}, {self.old!r} -> {self.new!r})"


class _Head(msgspec.Struct):
    metadata: msgspec.Raw


_head = msgspec.json.Decoder(_Head)
_CANONICAL = re.compile(rb'\{(?:"kind":"[^"\\]*",)?(?:"apiVersion":"[^"\\]*",)?"metadata":(?=\{)')
_VERSION = re.compile(rb'\{"resourceVersion":"\d+"(,?)')


def splice(plain: bytes, revision: int) -> tuple[bytes, int, int]:
    """The object's JSON with metadata.resourceVersion set, and where in it the metadata value starts and ends.

    Revision 0 (of an object that is not stored) leaves the resourceVersion as it is. Canonical bytes are spliced;
    others, written by somebody else, are brought into canonical order first.
    Raises ValueError if the bytes are not an object with metadata.
    """
    found = _CANONICAL.match(plain)
    metadata = bytes(_head.decode(plain).metadata)
    if found is None or not plain.startswith(metadata, found.end()):
        return splice(_reorder(plain, not revision), revision)
    start = found.end()
    end = start + len(metadata)
    if not revision:
        return plain, start, end
    rest = start + 1
    if version := _VERSION.match(plain, start):
        rest = version.end()
    elif b'"resourceVersion"' in metadata and "resourceVersion" in msgspec.json.decode(metadata):
        return splice(_reorder(plain, not revision), revision)
    comma = b"" if plain[rest : rest + 1] == b"}" else b","
    body = b'%b{"resourceVersion":"%d"%b%b' % (plain[:start], revision, comma, plain[rest:])
    return body, start, end + len(body) - len(plain)


def _reorder(plain: bytes, keep_version: bool) -> bytes:
    """Kind, apiVersion and metadata first. A kind that no kind can have stays behind: `splice` must find its way."""
    obj = msgspec.json.decode(plain)
    if not isinstance(obj, dict) or not isinstance(metadata := obj.get("metadata"), dict):
        raise ValueError("the stored value is not an object with metadata")
    if not keep_version:
        metadata.pop("resourceVersion", None)
    head = {name: obj[name] for name in ("kind", "apiVersion") if _plain_text(obj.get(name))}
    return msgspec.json.encode(head | {"metadata": metadata} | obj)


def _plain_text(value: object) -> bool:
    return isinstance(value, str) and b"\\" not in msgspec.json.encode(value)
