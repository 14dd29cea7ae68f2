"""How what belongs to dynamic resource allocation is named, and lists of it that are bounded."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds import rules

LONGEST_POOL, LONGEST_ID, LONGEST_DOMAIN = 253, 32, 63
LONGEST_PARAMETERS = 10 << 10  # bytes of JSON
LONGEST_ATTRIBUTE = 64
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ID_SAYS = names.mismatch(
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters "
    "or '_'", "[A-Za-z_][A-Za-z0-9_]*", "my_name", "MY_NAME", "MyName",
)  # fmt: skip


def label(value: str | None, path: Path, err: Errors) -> None:
    err.extend(path, names.dns1123_label(value or ""), value or "")


def pool(value: str, path: Path, err: Errors) -> None:
    """One or more DNS subdomains, separated by slashes."""
    if not value:
        err.required(path)
        return
    if len(value) > LONGEST_POOL:
        err.too_long(path, LONGEST_POOL)
    for part in value.split("/"):
        err.extend(path, names.dns1123_subdomain(part), part)


def identifier(value: str, path: Path, err: Errors) -> None:
    if len(value) > LONGEST_ID:
        err.too_long(path, LONGEST_ID)
    if not _ID.fullmatch(value):
        err.invalid(path, value, _ID_SAYS)


def qualified(value: str, path: Path, err: Errors) -> None:
    """A C identifier, with or without a domain before it. Of what has more than one slash upstream says nothing."""
    parts = value.split("/")
    if len(parts) == 1:
        identifier(value, path, err)
    elif len(parts) == 2:
        domain, name = parts
        if domain:
            rules.driver_name(domain, path, err)
        else:
            err.invalid(path, "", "the domain must not be empty")
        if name:
            identifier(name, path, err)
        else:
            err.invalid(path, "", "the name must not be empty")


def fully_qualified(value: str, path: Path, err: Errors) -> None:
    qualified(value, path, err)
    if "/" not in value:
        err.invalid(path, value, "a fully qualified name must be a domain and a name separated by a slash")


def json_object(value: object, path: Path, err: Errors, longest: int, size: int) -> None:
    """Free-form JSON that must be an object. `size`: how many bytes it has."""
    if value is None:
        err.required(path)
    elif size > longest:
        err.too_long(path, longest)
    elif not isinstance(value, dict):
        err.invalid(path, "<value omitted>", "must be a valid JSON object")


Check = Callable[[Object, Path, Errors], None]


def each(found: list[Object], most: int, check: Check, path: Path, err: Errors) -> bool:
    """Check each of a list, unless it is too long to be looked at. Returns whether it was."""
    if len(found) > most:
        err.too_many(path, len(found), most)
        return False
    for i, item in enumerate(found):
        check(item, path.index(i), err)
    return True


def each_once(
    found: list[Object], most: int, check: Check, key: Callable[[Object], Hashable], path: Path, err: Errors
) -> None:
    """As `each`, of a list that has nothing twice."""
    if each(found, most, check, path, err):
        for i in rules.repeated(map(key, found)):
            err.duplicate(path.index(i), key(found[i]))


def each_string(
    found: list[str],
    most: int,
    check: Callable[[str, Path, Errors], None],
    path: Path,
    err: Errors,
    *,
    once: bool = True,
) -> None:
    """The same of a list of strings."""
    if len(found) > most:
        err.too_many(path, len(found), most)
        return
    for i, item in enumerate(found):
        check(item, path.index(i), err)
    for i in rules.repeated(found) if once else ():
        err.duplicate(path.index(i), found[i])


def each_value(
    found: Object, most: int, check: Callable[[str, Path, Errors], None], judge: Check | None, longest: int, path: Path,
    err: Errors,
) -> None:  # fmt: skip
    """The keys and values of a map; a key that is longer than it may be is cut in its middle where it is told of."""
    if 0 <= most < len(found):
        err.too_many(path, len(found), most)
        return
    for key, value in found.items():
        at = path.key(shortened(key, longest))
        check(key, at, err)
        if judge is not None:
            judge(value, at, err)


def shortened(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    left = longest - 3
    return f"{text[: (left + 1) // 2]}...{text[len(text) - left // 2 :]}"
