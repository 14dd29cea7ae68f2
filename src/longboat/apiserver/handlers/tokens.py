"""Continue tokens: where a listing goes on. They are upstream's own, and opaque (apiserver, storage, continue.go)."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import msgspec

from longboat.machinery.text import Malformed, decode_json
from longboat.machinery.types.scalars import bad_base64
from longboat.machinery.types.shapes import SCALARS
from longboat.machinery.types.wording import described

VERSION = "meta.k8s.io/v1"
LATEST = -1  # the revision of a token that goes on without a snapshot
_BAD = "continue key is not valid"
_ALPHABETS = str.maketrans("-_+/", "+/\0\0")


class Place(NamedTuple):
    """Go on after this key, beneath the prefix that is listed, as of this revision; LATEST: as of whenever."""

    revision: int
    after: str


def token(place: Place) -> str:
    packed = msgspec.json.encode({"v": VERSION, "rv": place.revision, "start": place.after + "\0"})
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def place_of(text: str) -> Place:
    """Raises ValueError in upstream's words."""
    found = _fields(_decoded(text))
    version, revision, start = found["v"], found["rv"], found["start"]
    if version != VERSION:
        raise ValueError(f"{_BAD}: server does not recognize this encoded version {version}")
    if not revision:
        raise ValueError(f"{_BAD}: incorrect encoded start resourceVersion (version {VERSION})")
    if not start:
        raise ValueError(f"{_BAD}: encoded start key empty (version {VERSION})")
    after = start.removeprefix("/")
    if not {"", ".", ".."}.isdisjoint(after.split("/")):  # it must not lead out of what is listed
        raise ValueError(f"{_BAD}: {start}")
    return Place(max(revision, LATEST), after.removesuffix("\0"))


def _decoded(text: str) -> Any:
    standard = text.translate(_ALPHABETS)
    if "=" in standard or len(standard) % 4 == 1 or bad_base64(standard + "=" * (-len(standard) % 4)) is not None:
        at = bad_base64(standard.replace("=", "\0"))
        raise ValueError(f"{_BAD}: illegal base64 data at input byte {len(text) if at is None else at}")
    try:
        return decode_json(base64.b64decode(standard + "=" * (-len(standard) % 4)))
    except Malformed as error:
        raise ValueError(f"{_BAD}: {error}") from None


_FIELDS = {"v": "string", "rv": "int64", "start": "string"}
_EMPTY = {"string": "", "int64": 0}


def _fields(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        shown = described(value, SCALARS["any"])
        raise ValueError(f"{_BAD}: json: cannot unmarshal {shown} into Go value of type storage.continueToken")
    found: dict[str, Any] = {}
    for name, kind in _FIELDS.items():
        given = value.get(name)
        if given is None:
            given = _EMPTY[kind]
        if type(given) is not type(_EMPTY[kind]):
            shown = described(given, SCALARS["string"])
            why = f"json: cannot unmarshal {shown} into Go struct field continueToken.{name} of type {kind}"
            raise ValueError(f"{_BAD}: {why}")
        found[name] = given
    return found
