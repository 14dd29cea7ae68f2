"""What upstream answers to bodies and patches it cannot use."""

from __future__ import annotations

from typing import Any

import msgspec

from longboat.machinery.errors import StatusError, bad_request, invalid
from longboat.machinery.fieldpath import LONGEST, Errors, Path
from longboat.machinery.kinds import Kind
from longboat.machinery.types.shapes import SCALARS
from longboat.machinery.types.wording import described

SHOWN = 30  # bytes of a body quoted in an error
OPTIONS_SCHEME = "pkg/apis/meta/internalversion/scheme/register.go:27"
SCHEME = "pkg/api/legacyscheme/scheme.go:30"  # clients have seen this text for years
_IDENTITY = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'


class BadBody(StatusError):
    """A body that is no object of its kind. `why`: the reason alone."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(400, "BadRequest", message)
        self.why = why


def cannot_handle(kind: Kind, name: str, api_version: str, why: str) -> StatusError:
    version = api_version.rpartition("/")[2]
    return bad_request(f'{name} in version "{version}" cannot be handled as a {kind.name}: {why}')


def strict(complaints: list[str]) -> str:
    return f"strict decoding error: {', '.join(complaints)}"


def unregistered(version: str, name: str, scheme: str = SCHEME) -> str:
    return f'no kind "{name}" is registered for version "{version}" in scheme "{scheme}"'


def no_conversion(version: str, name: str, kind: Kind) -> str:
    sent = f"{version.rpartition('/')[2]}.{name}"
    return f"converting ({sent}) to ({package(kind.group)}.{kind.name}): unknown conversion"


def other_version(version: str, kind: Kind) -> str:
    return f"the API version in the data ({version}) does not match the expected API version ({kind.api_version})"


def misnamed(kind: Kind, name: str, version: str, why: str) -> StatusError:
    if why == other_version(version, kind):
        return bad_request(why)
    return cannot_handle(kind, name, version, why)


def package(group: str) -> str:
    """The name of upstream's package for a group's internal types."""
    return "core" if group in ("", "events.k8s.io") else group.partition(".")[0]


def no_object(value: Any) -> str:
    """Of JSON that is no object, and so says neither its version nor its kind."""
    why = f"json: cannot unmarshal {described(value, SCALARS['any'])} into Go value of type {_IDENTITY}"
    return f"couldn't get version/kind; json parse error: {why}"


def identity(kind: Kind, value: Any, data: bytes) -> tuple[str, str]:
    """A body's apiVersion and kind; those of `kind` where it does not say. Raises StatusError 400."""
    if not isinstance(value, dict):
        raise unrecognized(kind, no_object(value), data)
    found = []
    for name, default in (("apiVersion", kind.api_version), ("kind", kind.name)):
        given = value.get(name) or default
        if not isinstance(given, str):
            shown = described(given, SCALARS["string"])
            why = f"json: cannot unmarshal {shown} into Go struct field .{name} of type string"
            raise unrecognized(kind, f"couldn't get version/kind; json parse error: {why}", data)
        found.append(given)
    return found[0], found[1]


def check_custom_kind(kind: Kind, value: dict[str, Any], data: bytes) -> None:
    """Of a kind that was brought along, upstream does not take the kind for granted, and validates it.

    Raises StatusError 400, 422.
    """
    given = value.get("kind")
    if not given:
        raise unrecognized(kind, f"Object 'Kind' is missing in '{data[:LONGEST].decode('utf-8', 'replace')}'", data)
    if given != kind.name and value.get("apiVersion") == kind.api_version:
        err, meta = Errors(), value.get("metadata")
        err.invalid(Path("kind"), given, f"must be {kind.name}")
        name = meta.get("name") if isinstance(meta, dict) else ""
        raise invalid(Kind(kind.group, kind.version, given, kind.plural), name if isinstance(name, str) else "", err)


def unrecognized(kind: Kind, why: str, data: bytes) -> StatusError:
    """For a body that does not even say what it is; quotes its beginning as upstream does."""
    if not data:
        shown = "<empty>"
    else:
        shown = data[:SHOWN].decode("utf-8", "replace") if data[:1] == b"{" else data[:SHOWN].hex()
        shown += " ..." if len(data) > SHOWN else ""
    return BadBody(f"the object provided is unrecognized (must be of type {kind.name}): {why} ({shown})", why)


_NO_KIND = Kind("", "", "", "")


def unfit_patch(kind: Kind, patched: Any, why: str) -> StatusError:
    """422: a patch leads to something that is no object of its kind.

    Quotes the object, or a text about the patch, as upstream does, but for Secrets: messages end up in logs.
    """
    err = Errors()
    shown = "<hidden>" if kind.resource == "secrets" else patched
    if not isinstance(shown, str):
        shown = msgspec.json.encode(shown).decode()
    err.invalid(Path("patch"), shown, why)
    refused = invalid(_NO_KIND, "", err)
    return StatusError(422, "Invalid", refused.message, {"causes": refused.details["causes"]})
