"""A kind that is brought along: its strategy is what its definition says, and its versions become each other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
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
from longboat.machinery.types.wording import Mistake
from longboat.registry.codec import Codec
from longboat.registry.strategy import Strategy
from longboat.registry.write import Write
from longboat.storage.entry import Entry, splice
from longboat.storage.interface import Item

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_SAME = object()  # stands for an entry that is shown as it is stored


@dataclass(slots=True)
class Family:
    """All versions of a kind, served or not: an object may be stored in any of them."""

    stored: Kind  # the version that is written
    types: Mapping[str, CustomType]  # by version
    webhook: bool = False  # somebody else has to convert between versions: nobody asks them yet
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

    async def prepare(self) -> None:
        """Compile a schema that takes long to compile beside the loop."""
        for each in (self._type, self._family.types[self._family.stored.version]):
            if not each.compiled:
                await asyncio.to_thread(each.compile)

    def read(self, item: Item) -> Object:
        """Raises StatusError 500 for an object of a version that is gone."""
        return self._as(self._kind, self._type, _decode(item.value))

    def plain(self, obj: Object, *, large: bool = False) -> bytes:
        stored = self._family.stored
        if stored == self._kind:
            return self._schema.canonical(self._kind, obj, large=large)
        own = self._schema.check_object(self._kind, obj, large=large)[0]
        return _encode(self._as(stored, self._family.types[stored.version], own))

    def answer(self, plain: bytes, revision: int) -> bytes:
        body = splice(plain, revision)[0]
        return body if self._family.stored == self._kind else self._converted(self._family.stored, body)

    def shown(self, entry: Entry) -> Entry:
        key = type(self._strategy)
        found: Any = entry.encodings.get(key)
        if found is None:
            found = Entry(entry.key, entry.revision, self._converted(self._family.stored, entry.body), entry.labels,
                          entry.fields)  # fmt: skip
            entry.encodings[key] = _SAME if found.body == entry.body else found
        return entry if found is _SAME else found

    def _converted(self, hub: Kind, body: bytes) -> bytes:
        return _encode(self._as(self._kind, self._type, _decode(body)))

    def _as(self, kind: Kind, type_: CustomType, obj: Object) -> Object:
        """An object, as it is stored or worked on, in this version."""
        version = obj.get("apiVersion") or ""
        own = self._family.types.get(version.rpartition("/")[2])
        if own is None:
            raise StatusError(500, "", f"request to convert CR from an invalid group/version: {version}")
        if version != kind.api_version and self._family.webhook:
            about = f"{version}, Kind={kind.name}"
            why = "this server does not ask conversion webhooks"
            raise StatusError(500, "InternalError", f"conversion webhook for {about} failed: {why}", {})
        try:
            found = settle(own.shape, obj)[0]
            if version != kind.api_version:
                found = settle(type_.shape, found | {"apiVersion": kind.api_version}, defaults=False)[0]
        except Mistake:  # it does not even have metadata: validation says so once it is written
            return obj | {"apiVersion": kind.api_version}
        return found


def codec_for(strategy: Strategy, schema: Schema) -> Codec:
    return CustomCodec(strategy, schema) if isinstance(strategy, CustomResource) else Codec(strategy, schema)
