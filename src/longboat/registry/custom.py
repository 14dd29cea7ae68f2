"""A kind that is brought along: its strategy is what its definition says, and its versions become each other."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from longboat.machinery.errors import StatusError, forbidden
from longboat.machinery.fieldpath import Errors
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object, meta
from longboat.machinery.subresource import Subresource
from longboat.machinery.types.custom import CustomType
from longboat.machinery.types.schema import Schema
from longboat.machinery.types.settle import settle
from longboat.machinery.types.structural import Structural
from longboat.machinery.types.wording import Mistake
from longboat.registry.codec import Codec
from longboat.registry.conversion import Converter, Together, batches, converted
from longboat.registry.strategy import Strategy
from longboat.registry.write import Write
from longboat.storage.entry import Entry, splice
from longboat.storage.interface import Item

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_HEAD = re.compile(rb'\{"kind":"[^"\\]*","apiVersion":"([^"\\]*)"')
_SAME = object()  # stands for an entry that is shown as it is stored


@dataclass(slots=True)
class Family:
    """All versions of a kind, served or not: an object may be stored in any of them."""

    stored: Kind  # the version that is written
    types: Mapping[str, CustomType]  # by version
    converter: Converter | None = None  # who makes one version of another; None: they differ in nothing but their name
    terminating: bool = field(default=False)  # its definition is being deleted


class CustomResource(Strategy):
    """Objects of a structural schema. Defaults are put in, and other fields pruned, where objects are read."""

    type: CustomType
    family: Family
    standard_finalizers = False
    unconditional_update = False
    verbs = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")  # in upstream's order

    def parts(self) -> dict[str, Subresource]:
        """In upstream's order."""
        found = super().parts()
        return {name: found[name] for name in ("status", "scale") if name in found}

    @property
    def heavy(self) -> bool:  # type: ignore[override]
        return self.type.heavy

    @property
    def converter(self) -> Converter | None:  # type: ignore[override]
        return self.family.converter

    def prepare_create(self, new: Object, write: Write) -> None:
        """Raises StatusError 403 while the kind itself goes."""
        if self.family.terminating:
            why = "create not allowed while custom resource definition is terminating"
            raise forbidden(self.kind, meta(new).get("name") or "", why)

    def prepare_status(self, new: Object, old: Object, write: Write) -> None:
        """Of the metadata, too, a write of the status changes nothing but who manages what."""
        managed = meta(new).get("managedFields")
        new["metadata"] = {
            key: value for key, value in meta(old).items() if key not in ("managedFields", "resourceVersion")
        }
        if managed is not None:
            new["metadata"]["managedFields"] = managed

    def validate_create(self, new: Object, err: Errors) -> None:
        self.type.validate(new, err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        self.type.validate_update(new, old, err)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        self.type.validate_status(new, old, err)

    def validate_part(self, subresource: str, new: Object, old: Object, err: Errors) -> None:
        self.type.validate_update(new, old, err)


def custom(kind: Kind, type_: CustomType, family: Family | None = None, **attributes: object) -> CustomResource:
    """A strategy for one version. `attributes` are those of Strategy: has_status, scale, columns, storage_prefix…"""
    found = family or Family(kind, {kind.version: type_})
    strategy: CustomResource = type(
        kind.name, (CustomResource,), {"kind": kind, "type": type_, "family": found, "hub": found.stored} | attributes
    )()
    return strategy


class CustomCodec(Codec):
    """What is stored may be of any version, and was written by the schema of its day: it is shown by that of today.

    As upstream: defaults are those of the version that an object is stored in, and each version shows what it has.
    """

    shows = True

    def __init__(self, strategy: CustomResource, schema: Schema) -> None:
        super().__init__(strategy, schema)
        self._family, self._type = strategy.family, strategy.type
        self.asks = strategy.family.converter is not None
        self._made = Together()

    async def prepare(self, entries: Sequence[Entry] = ()) -> None:
        """Compile a schema that takes long to compile beside the loop; have converted what is of another version.

        Raises Unconvertible.
        """
        for each in (self._type, self._family.types[self._family.stored.version]):
            if not each.compiled:
                await asyncio.to_thread(each.compile)
        if self.asks:
            own, here = type(self._strategy), self._kind.api_version

            def lacking() -> list[Entry]:
                return [e for e in entries if own not in e.encodings and _version_of(e) != here]

            await self._made.have(lacking, self._convert)

    async def _convert(self, entries: Sequence[Entry]) -> None:
        """Make what is shown of these, those of one version together."""
        converter, to = self._family.converter, self._kind.api_version
        assert converter is not None
        for version, batch in batches(entries, _version_of):
            own = self._own(version)
            found: list[Object] = []
            for entry in batch:
                obj = _settled(own.shape, _decode(entry.body))
                obj["metadata"] = {name: value for name, value in meta(obj).items() if name != "resourceVersion"}
                found.append(obj)
                await asyncio.sleep(0)
            made = await converter.convert(found, to)
            for entry, obj in zip(batch, made, strict=True):
                shown = _settled(self._type.shape, obj, defaults=False)
                self._keep(entry, shown, splice(_encode(shown), entry.revision)[0])
                await asyncio.sleep(0)

    def read(self, item: Item) -> Object:
        """Raises StatusError 500 for an object of a version that is gone."""
        return self._as(self._kind, self._type, _decode(item.value))

    def plain(self, obj: Object, *, large: bool = False) -> bytes:
        stored, version = self._family.stored, obj.get("apiVersion")
        if self.asks and version and version != self._kind.api_version:  # it has been read `untouched`
            return _encode(_settled(self._own(version).shape, obj))
        if stored == self._kind:
            return self._schema.canonical(self._kind, obj, large=large)
        own = self._schema.check_object(self._kind, obj, large=large)[0]
        return _encode(self._as(stored, self._family.types[stored.version], own))

    def answer(self, plain: bytes, revision: int) -> bytes:
        body = splice(plain, revision)[0]
        return body if _version_in(body) == self._kind.api_version else self._converted(self._family.stored, body)

    def shown(self, entry: Entry) -> Entry:
        found: Any = entry.encodings.get(type(self._strategy))
        if found is None:
            obj = self._as(self._kind, self._type, _decode(entry.body))
            found = self._keep(entry, obj, _encode(obj))
        return entry if found is _SAME else found

    def carry(self, old: Entry, removed: Entry) -> None:
        """What is known of an entry is as true of the same object where its removal shows it."""
        key = type(self._strategy)
        if (found := old.encodings.get(key)) is not None and key not in removed.encodings:
            removed.encodings[key] = _SAME if found is _SAME else found.at(removed.revision)

    def _keep(self, entry: Entry, obj: Object, body: bytes) -> Any:
        found: Any = _SAME
        if body != entry.body:
            own = self._strategy.fields(obj) if self.asks and self._strategy.selectable else {}
            fields = {**entry.fields, **own} if own else entry.fields
            found = Entry(entry.key, entry.revision, body, entry.labels, fields)
        entry.encodings[type(self._strategy)] = found
        return found

    def _converted(self, hub: Kind, body: bytes) -> bytes:
        return _encode(self._as(self._kind, self._type, _decode(body)))

    def _own(self, version: str) -> CustomType:
        """The type of a version. Raises StatusError 500 for one that is gone."""
        found = self._family.types.get(version.rpartition("/")[2])
        if found is None:
            raise StatusError(500, "", f"request to convert CR from an invalid group/version: {version}")
        return found

    def _as(self, kind: Kind, type_: CustomType, obj: Object) -> Object:
        """An object, as it is stored or worked on, in this version. Raises Unconverted."""
        version, to = obj.get("apiVersion") or "", kind.api_version
        found = _settled(self._own(version).shape, obj)
        if version == to:
            return found
        converter = self._family.converter
        found = found | {"apiVersion": to} if converter is None else converted(converter, found, to)
        return _settled(type_.shape, found, defaults=False) if found["apiVersion"] == to else found


def _settled(shape: Structural, obj: Object, *, defaults: bool = True) -> Object:
    try:
        return settle(shape, obj, defaults=defaults)[0]
    except Mistake:  # it does not even have metadata: validation says so once it is written
        return dict(obj)


def _version_of(entry: Entry) -> str:
    return _version_in(entry.body)


def _version_in(body: bytes) -> str:
    if found := _HEAD.match(body):
        return found[1].decode()
    return _decode(body).get("apiVersion") or ""


def codec_for(strategy: Strategy, schema: Schema) -> Codec:
    return CustomCodec(strategy, schema) if isinstance(strategy, CustomResource) else Codec(strategy, schema)
