"""Options of reads and deletions, out of a query, as upstream's conversion reads them; and what contradicts itself.

Of several values of a parameter the first counts; one that is there without a value is there. Sources: apimachinery,
meta/v1 conversion of url.Values and meta/internalversion defaults and validation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from longboat.machinery import strconv
from longboat.machinery.errors import StatusError, bad_request, invalid
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object

Query = Mapping[str, list[str]]
T = TypeVar("T")

VALIDATIONS = ("", "Ignore", "Strict", "Warn")
LONGEST_MANAGER = 128  # bytes of a field manager's name
EXACT, NOT_OLDER = "Exact", "NotOlderThan"
_MATCH, _INITIAL = Path("resourceVersionMatch"), Path("sendInitialEvents")


def kind_of(name: str) -> Kind:
    """Of options: ListOptions and its like."""
    return Kind("meta.k8s.io", "v1", name, name.lower())


def refused(name: str, err: Errors) -> StatusError:
    """422 for options that contradict themselves. `name`: ListOptions or its like."""
    return invalid(kind_of(name), "", err)


@dataclass(frozen=True, slots=True)
class ListOptions:
    """meta.k8s.io ListOptions. `limit` is 0 where there is none."""

    watch: bool = False
    bookmarks: bool = False
    version: str = ""
    match: str = ""
    seconds: int | None = None
    limit: int = 0
    token: str = ""
    initial: bool | None = None  # sendInitialEvents

    @property
    def streams_list(self) -> bool:
        """Whether a watch begins with a list whose end is marked (KEP-3157)."""
        return bool(self.initial) and self.bookmarks

    def check(self) -> None:
        """Raises StatusError 422 where they contradict themselves."""
        if not self.match and self.initial is None:
            return
        err = Errors()
        (_check_watch if self.watch else _check_list)(self, err)
        if err:
            raise refused("ListOptions", err)


NOTHING = ListOptions()


def list_options(query: Query) -> ListOptions:
    """As they are given, yet to be checked. Raises StatusError 400."""
    if not query:
        return NOTHING
    watch = _given(query, "watch", strconv.flag, False)
    bookmarks = _given(query, "allowWatchBookmarks", strconv.flag, False)
    version, match = _text(query, "resourceVersion"), _text(query, "resourceVersionMatch")
    seconds = _given(query, "timeoutSeconds", strconv.integer, None)
    limit = _given(query, "limit", strconv.integer, 0)
    initial = _given(query, "sendInitialEvents", strconv.flag, None)
    if watch and initial is None and not match and version in ("", "0"):
        initial, match = True, NOT_OLDER  # what such a watch has always done
    return ListOptions(watch, bookmarks, version, match, seconds, max(limit, 0), _text(query, "continue"), initial)


def _check_list(options: ListOptions, err: Errors) -> None:
    match = options.match
    if match:
        if not options.version:
            err.forbidden(_MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided")
        if options.token:
            err.forbidden(_MATCH, "resourceVersionMatch is forbidden when continue is provided")
        if match not in (EXACT, NOT_OLDER):
            err.not_supported(_MATCH, match, (EXACT, NOT_OLDER, ""), as_given=True)
        if match == EXACT and options.version == "0":
            err.forbidden(_MATCH, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
    if options.initial is not None:
        err.forbidden(_INITIAL, "sendInitialEvents is forbidden for list")


def _check_watch(options: ListOptions, err: Errors) -> None:
    match = options.match
    if options.initial is not None and match != NOT_OLDER:
        err.forbidden(_MATCH, f"sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER}")
    if match:
        if options.initial is None:
            err.forbidden(_MATCH, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
        if match != NOT_OLDER:
            err.not_supported(_MATCH, match, (NOT_OLDER,))
        if options.token:
            err.forbidden(_MATCH, "resourceVersionMatch is forbidden when continue is provided")


def check_write(query: Query, name: str, *, apply: bool = False) -> None:
    """Of a create, an update or a patch; `name`: CreateOptions or its like. Raises StatusError 422."""
    if not query and not apply:
        return
    err = Errors()
    if name == "PatchOptions" and not apply and "force" in query:
        err.forbidden(Path("force"), "may not be specified for non-apply patch")
    manager = _text(query, "fieldManager")
    if apply and not manager:
        err.required(Path("fieldManager"), "is required for apply patch")
    _check_manager(manager, err)
    dry_run = query.get("dryRun", ())
    if any(value != "All" for value in dry_run):
        err.not_supported(Path("dryRun"), list(dry_run), ("All",))
    if (wish := _text(query, "fieldValidation")) not in VALIDATIONS:
        err.not_supported(Path("fieldValidation"), wish, VALIDATIONS)
    if err:
        raise refused(name, err)


def forced(query: Query) -> bool:
    """Whether what is applied takes over what others own."""
    return _given(query, "force", strconv.flag, False)


def _check_manager(manager: str, err: Errors) -> None:
    path = Path("fieldManager")
    if len(manager.encode()) > LONGEST_MANAGER:
        err.too_long(path, LONGEST_MANAGER)
    if manager.isprintable():
        return
    at = 0  # in bytes
    for letter in manager:
        if not letter.isprintable():
            err.invalid(path, manager, f"invalid character U+{ord(letter):04X} (at position {at})")
        at += len(letter.encode())


def delete_options(query: Query) -> Object:
    """DeleteOptions of a deletion that has no body. Raises StatusError 400."""
    found: Object = {}
    for name, read in (
        ("gracePeriodSeconds", strconv.integer),
        ("orphanDependents", strconv.flag),
        ("propagationPolicy", str),
        ("ignoreStoreReadErrorWithClusterBreakingPotential", strconv.flag),
    ):
        if (value := _given(query, name, read, None)) is not None:
            found[name] = value
    if "dryRun" in query:
        found["dryRun"] = list(query["dryRun"])
    return found


def _text(query: Query, name: str) -> str:
    return _given(query, name, str, "")


def _given(query: Query, name: str, read: Callable[[str], T], default: T) -> T:
    values = query.get(name)
    if not values:
        return default
    try:
        return read(values[0])
    except ValueError as error:
        raise bad_request(str(error)) from None
