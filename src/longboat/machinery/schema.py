"""The API's schema: reads what clients send into objects of their kind, and writes objects as they are stored."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import msgspec

from longboat.machinery import text
from longboat.machinery.check import Mistake, Walk
from longboat.machinery.errors import StatusError, bad_request, unsupported_media_type
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.shapes import Shapes, Struct

RESOURCE = Path(__file__).with_name("schema.bin")
JSON, YAML = "application/json", "application/yaml"
STRICT, WARN, IGNORE = "Strict", "Warn", "Ignore"
SHOWN = 30  # bytes of a body quoted in an error

_encode = msgspec.json.Encoder().encode


class Schema:
    """All methods are pure. Kinds are those of `api.kinds`, and any other the definitions have (DeleteOptions…)."""

    def __init__(self, packed: bytes) -> None:
        content = msgspec.msgpack.decode(packed)
        self._shapes = Shapes(content)
        self._kinds: dict[str, str] = content["kinds"]
        self._types: dict[Kind, Struct | None] = {}

    def has(self, kind: Kind) -> bool:
        return self.type(kind) is not None

    def type(self, kind: Kind) -> Struct | None:
        """The type of a kind; None for one that is not in the schema (a custom resource)."""
        if kind not in self._types:
            name = self._kinds.get(f"{kind.group}/{kind.version}/{kind.name}")
            self._types[kind] = self._shapes.struct(name) if name else None
        return self._types[kind]

    def decode(
        self, kind: Kind, data: bytes, media_type: str = JSON, validation: str = IGNORE
    ) -> tuple[Object, list[str]]:
        """An object of this kind from a request's body, and warnings about it.

        Fields are in schema order, unknown ones dropped; kind and apiVersion are filled in where absent.
        Raises StatusError 400 for what is not such an object, 415 for a media type that is neither JSON nor YAML.
        """
        value = self._parse(kind, data, media_type)
        found = identity(value)
        self._expect(kind, found, data)
        obj, walk = self._walk(kind, value, found)
        problems = []
        if validation != IGNORE:
            if media_type != YAML and walk.keys != text.members(data):
                problems = [f'duplicate field "{path}"' for path in text.duplicates(data)]
            problems += [f'unknown field "{path}"' for path in walk.unknown]
        return obj, self._judge(kind, problems, validation)

    def check_object(self, kind: Kind, obj: Object, validation: str = IGNORE) -> tuple[Object, list[str]]:
        """As `decode`, for an object that is decoded already (the result of a patch)."""
        checked, walk = self._walk(kind, obj, (kind.api_version, kind.name))
        return checked, self._judge(kind, [f'unknown field "{path}"' for path in walk.unknown], validation)

    def canonical(self, kind: Kind, obj: Object) -> bytes:
        """The stored encoding: kind, apiVersion, metadata, then schema order; maps sorted; no nulls."""
        return _encode(self.ordered(kind, obj))

    def ordered(self, kind: Kind, obj: Object) -> Object:
        """The object in canonical order. Raises StatusError 400 where a value is not of its field's type."""
        struct = self.type(kind)
        if struct is None:
            head = {name: obj[name] for name in ("kind", "apiVersion", "metadata") if name in obj}
            return head | obj
        return self._walk(kind, obj, (kind.api_version, kind.name))[0]

    def _parse(self, kind: Kind, data: bytes, media_type: str) -> object:
        try:
            if media_type == YAML:
                return text.decode_yaml(data)
            if media_type == JSON:
                return text.decode_json(data)
        except text.Malformed as error:
            reason = f"couldn't get version/kind; {error}" if media_type == JSON else str(error)
            raise unrecognized(kind, reason, data) from error
        raise unsupported_media_type(
            f"the body of the request was in an unknown format - accepted media types include: {JSON}, {YAML}"
        )

    def _expect(self, kind: Kind, found: tuple[str, str], data: bytes) -> None:
        version, name = found
        if name and name != kind.name:
            registered = f"{_group(version or kind.api_version)}/{name}" in self._kinds
            if registered:
                sent = f"{(version or kind.api_version).rpartition('/')[2]}.{name}"
                why = f"converting ({sent}) to ({kind.version}.{kind.name}): unknown conversion"
            else:
                why = f'no kind "{name}" is registered for version "{version or kind.api_version}" in scheme'
            raise cannot_handle(kind, name, version, why)
        if version and version != kind.api_version:
            raise bad_request(
                f"the API version in the data ({version}) does not match the expected API version ({kind.api_version})"
            )

    def _walk(self, kind: Kind, value: object, found: tuple[str, str]) -> tuple[Object, Walk]:
        walk = Walk()
        struct = self.type(kind)
        try:
            if struct is not None:
                obj = walk.struct(struct, value, "")
            elif isinstance(value, dict):
                obj = value
            else:
                raise Mistake("json: cannot unmarshal into Go value of type map[string]interface {}")
        except Mistake as error:
            raise cannot_handle(kind, found[1] or kind.name, found[0], str(error)) from error
        if "kind" in obj and "apiVersion" in obj:
            return obj, walk
        return {"kind": kind.name, "apiVersion": kind.api_version} | obj, walk

    @staticmethod
    def _judge(kind: Kind, problems: list[str], validation: str) -> list[str]:
        if problems and validation == STRICT:
            raise cannot_handle(kind, kind.name, kind.api_version, f"strict decoding error: {', '.join(problems)}")
        return problems if validation == WARN else []


def identity(value: object) -> tuple[str, str]:
    """apiVersion and kind, as far as they are strings."""
    if not isinstance(value, dict):
        return "", ""
    version, name = value.get("apiVersion"), value.get("kind")
    return version if isinstance(version, str) else "", name if isinstance(name, str) else ""


def _group(api_version: str) -> str:
    return api_version if "/" in api_version else f"/{api_version}"


def cannot_handle(kind: Kind, name: str, api_version: str, why: str) -> StatusError:
    version = (api_version or kind.api_version).rpartition("/")[2]
    return bad_request(f'{name} in version "{version}" cannot be handled as a {kind.name}: {why}')


def unrecognized(kind: Kind, why: str, data: bytes) -> StatusError:
    """For a body that does not even say what it is; quotes its beginning as upstream does."""
    if not data:
        shown = "<empty>"
    else:
        shown = data[:SHOWN].decode("utf-8", "replace") if data[:1] == b"{" else data[:SHOWN].hex()
        shown += " ..." if len(data) > SHOWN else ""
    return bad_request(f"the object provided is unrecognized (must be of type {kind.name}): {why} ({shown})")


@lru_cache(maxsize=1)
def load() -> Schema:
    """The schema that the package ships. Raises FileNotFoundError where it has not been built (hatch_build.py)."""
    return Schema(RESOURCE.read_bytes())
