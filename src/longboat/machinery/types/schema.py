"""The API's schema: reads what clients send into objects of their kind, and writes objects as they are stored."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from longboat.machinery import refusals, text, yaml
from longboat.machinery.errors import StatusError, bad_request, unsupported_media_type
from longboat.machinery.former_versions import FORMER
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.types import check, converted, emptied, protobuf, strict
from longboat.machinery.types.custom import CustomType, compile_type, lazy_type
from longboat.machinery.types.settle import settle
from longboat.machinery.types.shapes import Shapes, Struct
from longboat.machinery.types.structural import Structural
from longboat.machinery.types.typed import Types
from longboat.machinery.types.wording import Mistake

RESOURCE = Path(__file__).parent.with_name("schema.bin")
JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
STRICT, WARN, IGNORE = "Strict", "Warn", "Ignore"
INTERNAL, META = "meta.k8s.io/v1", "io.k8s.apimachinery.pkg.apis.meta.v1."
FEW = 2000  # bytes, and objects, of which it is not asked how many there are
HEAD = ("kind", "apiVersion", "metadata")  # what every object begins with

_UNSEEN: Any = object()
_SPELLED = tuple((sign.encode(), b"\\u%04x" % ord(sign)) for sign in "<>&\u2028\u2029")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_encode_typed = msgspec.json.Encoder(order="deterministic").encode  # fields as declared, maps sorted


class Schema:
    """All methods are pure. Kinds are those of `api.kinds`, and any other the definitions have (DeleteOptions…)."""

    def __init__(self, packed: bytes) -> None:
        content = msgspec.msgpack.decode(packed)
        self._shapes = Shapes(content)
        self._kinds: dict[str, str] = content["kinds"]
        self._found: dict[Kind, Any] = {}  # Struct, or None
        self._types = Types()
        self._stored = Types(self._types)
        self._readers: dict[str, msgspec.json.Decoder[Any]] = {}
        self._beside: Mapping[Kind, CustomType] = {}

    def beside(self, types: Mapping[Kind, CustomType]) -> Schema:
        """A schema that has these kinds too. They go with it: nothing of them is kept here."""
        found = copy.copy(self)
        found._beside = dict(types)
        return found

    def compile(self, kind: Kind, schema: Object) -> CustomType:
        """The type that a structural schema describes. Raises structural.TooDeep."""
        return compile_type(kind, schema, self._shapes.struct(f"{META}ObjectMeta"))

    def lazy(self, kind: Kind, schema: Object, selectable: tuple[str, ...] = ()) -> CustomType:
        """As `compile`, but not before it is used."""
        return lazy_type(kind, schema, self._shapes.struct(f"{META}ObjectMeta"), selectable)

    def has(self, kind: Kind) -> bool:
        return self.type(kind) is not None

    def type(self, kind: Kind) -> Struct | None:
        """The type of a kind; None for one that is not in the schema. Asked several times for each write."""
        if self._beside and kind in self._beside:
            return self._beside[kind].shape
        found = self._found.get(kind, _UNSEEN)
        if found is _UNSEEN:
            name = self._kinds.get(f"{kind.group}/{kind.version}/{kind.name}")
            found = self._found[kind] = self._shapes.struct(name) if name else None
        type_: Struct | None = found
        return type_

    def definition(self, name: str) -> Struct:
        """The type of a definition, "io.k8s.api.core.v1.PodSpec". Raises KeyError."""
        return self._shapes.struct(name)

    def decode(
        self, kind: Kind, data: bytes, media_type: str = JSON, validation: str = IGNORE
    ) -> tuple[Object, list[str]]:
        """An object of this kind from a request's body, and warnings about it.

        Fields are in schema order, unknown ones and nulls dropped; kind and apiVersion are filled in where absent.
        Raises StatusError 400 for what is not such an object, 415 for a media type that is neither JSON nor YAML.
        """
        value, complaints = self._parsed(kind, data, media_type)
        value = {} if value is None else value  # null says nothing, as in Go
        version, name = refusals.identity(kind, value, data)
        if self._beside and kind in self._beside:
            refusals.check_custom_kind(kind, value, data)
        if why := self._misnamed(kind, version, name, value):
            raise refusals.misnamed(kind, name, version, why)
        struct = self.type(kind)
        clean = None if has_many(data, media_type) else self._in_c(struct, value)
        try:
            obj, unknown = self._walked(struct, value) if clean is None else (clean, [])
        except Mistake as error:
            raise refusals.cannot_handle(kind, name, version, str(error)) from error
        if validation != IGNORE:
            repeated = media_type == JSON and strict.repeats(data, value)
            complaints += self._problems(struct, strict.as_written(data) if repeated else value, unknown, repeated)
            if complaints and validation == STRICT:
                raise refusals.cannot_handle(kind, name, version, refusals.strict(complaints))
        # In what is small, to look for them takes no longer than to find out if they may be there.
        if struct is not None and media_type != PROTOBUF and (len(data) <= FEW or emptied.may_have(data)):
            obj = self._remembering(struct, value, obj)
        return self._headed(kind, obj), strict.warnings(complaints) if validation == WARN else []

    def options(self, kind: Kind, data: bytes, media_type: str = JSON) -> Object:
        """Options out of a request's body: those of any API version, and what is wrong with them is told as it is.

        Raises StatusError 400, 415.
        """
        try:
            value, _ = self._parsed(kind, data, media_type)
            value = {} if value is None else value
            version, name = refusals.identity(kind, value, data)
        except refusals.BadBody as error:
            raise bad_request(error.why) from error
        if name != kind.name:
            raise bad_request(refusals.unregistered(version, name, refusals.OPTIONS_SCHEME))
        try:
            return self._headed(kind, self._walked(self.type(kind), value)[0])
        except Mistake as error:
            raise bad_request(str(error)) from error

    def check_object(
        self,
        kind: Kind,
        obj: Object,
        validation: str = IGNORE,
        complaints: list[str] | None = None,
        *,
        large: bool = False,
        merged: Object | None = None,
        spell: Callable[[], str] | None = None,
    ) -> tuple[Object, list[str]]:
        """As `decode`, for what a patch has made. `complaints` are those about the patch itself; `large` spares other
        threads a call into C that would hold them all; `merged` is the patch where it is a strategic one, of which
        upstream speaks differently; `spell` gives the text in which upstream shows what another has made.

        Raises StatusError 422 in the form upstream has for patches.
        """

        def unfit(why: str) -> StatusError:
            shown = (spell() if spell else obj) if merged is None else converted.printed(merged)
            return refusals.unfit_patch(kind, shown, why)

        struct, found = self.type(kind), list(complaints or ())
        if why := self._misnamed(kind, obj.get("apiVersion") or kind.api_version, obj.get("kind") or kind.name, obj):
            raise unfit(why)
        checked = None if large else self._in_c(struct, obj)
        if checked is None:
            try:
                checked, unknown = self._walked(struct, obj)
            except Mistake as error:
                why = converted.mistake(struct, obj) if merged is not None and struct is not None else ""
                raise unfit(why or str(error)) from error
            if validation != IGNORE:
                about = self._problems(struct, obj, unknown, repeated=False, in_order=True)
                found += about if merged is None else sorted(about)
        if found and validation == STRICT:
            raise unfit(refusals.strict(found))
        return self._headed(kind, self._remembering(struct, obj, checked)), found if validation == WARN else []

    def canonical(self, kind: Kind, obj: Object, *, large: bool = False) -> bytes:
        """The stored encoding: kind, apiVersion, metadata, then schema order; maps sorted; no unknown fields; what is
        empty left out, or written, as Go does it (null included).

        Raises StatusError 422 where a value is not of its field's type.
        """
        struct = self.type(kind)
        if struct is None or isinstance(struct, Structural):
            return _encode(self.check_object(kind, obj, large=large)[0])
        encoded = None if large else self._encoded_in_c(struct, self._headed(kind, obj))
        if encoded is None:
            encoded = _encode(check.stored(struct, self.check_object(kind, obj, large=large)[0]))
        return _escaped(encoded) if struct.has_raw else encoded

    def as_read(self, kind: Kind, obj: Object) -> bytes:
        """As `canonical`, of a request's object before it is stored: a list that came empty is not null yet."""
        encoded, struct = self.canonical(kind, obj), self.type(kind)
        if isinstance(struct, Struct) and struct.has_nulls and b":null" in encoded:
            shown = _decode(encoded)
            if emptied.restore(struct, obj, shown):
                return _escaped(_encode(shown)) if struct.has_raw else _encode(shown)
        return encoded

    def _encoded_in_c(self, struct: Struct, obj: Object) -> bytes | None:
        try:
            return _encode_typed(msgspec.convert(obj, self._stored.of(struct)))
        except msgspec.ValidationError:
            return None

    def read(self, kind: Kind, data: bytes, *, large: bool = False) -> Object:
        """A stored object as `decode` would give it, whoever wrote it: an older version may have kept what is empty.

        What does not fit its type is given as it is.
        """
        struct = self.type(kind)
        if struct is not None and not large and not isinstance(struct, Structural):
            reader = self._readers.get(struct.name)
            if reader is None:
                reader = self._readers[struct.name] = msgspec.json.Decoder(self._types.of(struct))
            try:
                obj: Object = msgspec.to_builtins(reader.decode(data), order="deterministic")
                return obj
            except msgspec.ValidationError:
                pass
        value: Object = _decode(data)
        try:
            return self._walked(struct, value)[0]
        except Mistake:
            return value

    def shown(self, kind: Kind, obj: Object) -> Object:
        """An object that is worked on, with the nulls that clients are shown: their JSON patches may name them."""
        struct = self.type(kind)
        found: Object = obj if struct is None or not struct.has_nulls else check.stored(struct, obj)
        return found

    def _parsed(self, kind: Kind, data: bytes, media_type: str) -> tuple[Any, list[str]]:
        """The body's JSON value, and what the YAML parser complains about. Raises StatusError."""
        try:
            if media_type == YAML:
                value, repeated = yaml.decode(data)
                return value, [strict.YAML_ERRORS + "\n".join(f"  {line}" for line in repeated)] if repeated else []
            if media_type == JSON:
                return text.decode_json(data), []
            if media_type == PROTOBUF:
                return self._from_protobuf(data)
        except protobuf.Malformed as error:
            raise refusals.unrecognized(kind, str(error), data) from error
        except text.Malformed as error:
            reason = f"couldn't get version/kind; json parse error: {error}" if media_type == JSON else str(error)
            raise refusals.unrecognized(kind, reason, data) from error
        raise unsupported_media_type(
            "the body of the request was in an unknown format - "
            f"accepted media types include: {JSON}, {YAML}, {PROTOBUF}"
        )

    def _from_protobuf(self, data: bytes) -> tuple[Object, list[str]]:
        """The JSON value of a message: strict validation knows no complaints about it. Raises protobuf.Malformed."""
        version, name, message = protobuf.envelope(data)
        definition = self._definition(version, name)
        head = {"kind": name, "apiVersion": version}
        if definition is None:
            return head, []
        try:
            return head | protobuf.decode(self._shapes.struct(definition), message), []
        except protobuf.Unknown as error:
            raise protobuf.Malformed(f"no protobuf encoding is known for {error}") from error

    def _definition(self, version: str, name: str) -> str | None:
        """The definition of what an object says it is."""
        if version == INTERNAL:  # where upstream registers the types of requests, too
            found = self._kinds.get(f"/v1/{name}", "")
            return found if found.startswith(META) else None
        return self._kinds.get(f"{version if '/' in version else f'/{version}'}/{name}")

    def _misnamed(self, kind: Kind, version: str, name: str, value: Any) -> str:
        """Why an object that says it is of this version and kind is not what is wanted; "" where it is. Upstream reads
        it as what it says it is, before it sees that this is something else."""
        if version == kind.api_version and name == kind.name:
            return ""
        if kind in self._beside:
            return refusals.other_version(version, kind)
        found = self._definition(version, name)
        if found is not None and found == self._definition(kind.api_version, kind.name):
            return ""  # DeleteOptions are of every group's version, and mean the same in each
        if found is None:
            if self.has(kind) and not (name == kind.name and f"{version}/{name}" in FORMER):
                return refusals.unregistered(version, name)
            return refusals.other_version(version, kind)
        try:
            check.struct(self._shapes.struct(found), value)
        except Mistake as error:
            return str(error)
        if name != kind.name:
            return refusals.no_conversion(version, name, kind)
        return refusals.other_version(version, kind)

    @staticmethod
    def _remembering(struct: Struct | None, sent: Object, read: Object) -> Object:
        """What was read of a request's object, as one that knows what came empty. Custom kinds keep that anyway."""
        return read if struct is None or isinstance(struct, Structural) else emptied.mark(struct, sent, read)

    def _in_c(self, struct: Struct | None, value: Any) -> Object | None:
        """The value in canonical order, if it needs no correction."""
        if struct is None or isinstance(struct, Structural):
            return None
        try:
            typed = msgspec.convert(value, self._types.of(struct))
        except msgspec.ValidationError:
            return None
        obj: Object = msgspec.to_builtins(typed, order="deterministic")
        return obj

    def _walked(self, struct: Struct | None, value: Any) -> tuple[Object, list[str] | None]:
        """The same, corrected where it can be, and the paths of fields that were dropped (None: nobody has looked).

        Raises Mistake.
        """
        if isinstance(struct, Structural):
            return settle(struct, value)
        if struct is not None:
            return check.struct(struct, value), None
        head = {name: value[name] for name in HEAD if value.get(name) is not None}
        if "metadata" in head:
            meta = self._shapes.struct(f"{META}ObjectMeta")
            head["metadata"] = check.member(meta, head["metadata"], "metadata")
        return head | {name: check.sorted_deeply(value[name]) for name in sorted(value) if name not in HEAD}, None

    @staticmethod
    def _problems(
        struct: Struct | None, value: Any, unknown: list[str] | None, repeated: bool, in_order: bool = False
    ) -> list[str]:
        """What strict validation says of a value, which is as it was written where something in it is `repeated`."""
        if unknown is None or (unknown == [] and repeated and not isinstance(struct, Structural)):
            return strict.problems(struct, value, in_order=in_order)
        return (strict.problems(None, value) if repeated else []) + [f'unknown field "{path}"' for path in unknown]

    @staticmethod
    def _headed(kind: Kind, obj: Object) -> Object:
        if "kind" in obj and "apiVersion" in obj:
            return obj
        return {"kind": kind.name, "apiVersion": kind.api_version} | obj


def _escaped(encoded: bytes) -> bytes:
    """JSON as Go spells it. It means the same; but clients in Go compare the bytes of a raw part with their own."""
    for sign, spelled in _SPELLED:
        encoded = encoded.replace(sign, spelled)
    return encoded


def has_many(data: bytes, media_type: str) -> bool:
    """Whether a body has so many objects or entries that C would hold every thread for long while it makes structs of
    them (four microseconds each for a container)."""
    if len(data) <= FEW:
        return False
    if media_type == PROTOBUF:
        return len(data) > 16 * FEW
    return data.count(b"{") + data.count(b":\n") > FEW or data.count(b",") + data.count(b"\n") > 10 * FEW


@lru_cache(maxsize=1)
def load() -> Schema:
    """The schema that the package ships. Raises FileNotFoundError in a checkout where it has not been built."""
    try:
        return Schema(RESOURCE.read_bytes())
    except FileNotFoundError as error:
        error.add_note("The schema is made by the build: run `python hatch_build.py` or `pip install -e .`")
        raise
