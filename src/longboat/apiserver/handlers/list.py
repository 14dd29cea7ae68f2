"""LIST: a page of one consistent snapshot, joined from bytes that are ready."""

from __future__ import annotations

import base64
import binascii

import msgspec

from longboat.aio.http.pieces import Pieces
from longboat.apiserver import encoding
from longboat.apiserver.endpoint import Endpoint, go_type, include_object, invalid_options
from longboat.apiserver.handlers.selection import Selection, selection
from longboat.apiserver.handlers.versions import parse_version, too_large, wait_until
from longboat.apiserver.media import PARTIAL, TABLE, Form
from longboat.apiserver.request import Request, Response
from longboat.machinery.errors import StatusError, bad_request, expired, not_acceptable
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.storage.entry import Entry
from longboat.storage.interface import Compacted, FutureRevision
from longboat.storage.watchcache import EntryPage

FEW = 200  # rows of a table that are made at once (about ten milliseconds, where nobody has asked for them before)
EXACT, NOT_OLDER = "Exact", "NotOlderThan"


class Continue(msgspec.Struct):
    """What a continue token says: the revision of the list, and the key after which it goes on."""

    v: str
    rv: int
    start: str


async def list_(endpoint: Endpoint, request: Request) -> Response:
    chosen = await selection(endpoint, request)
    form = request.form
    if form.as_kind == PARTIAL:
        shown = go_type(endpoint, listed=True)
        raise not_acceptable(f"you requested {PARTIAL}, but the requested object is a list ({shown})")
    limit = _limit(request)
    at, after = await _where(endpoint, request)
    prefix = endpoint.store.prefix(request.info.namespace)
    if chosen.everything and form.as_kind != TABLE and not (at or after or limit):
        return _everything(endpoint, prefix, form)
    page = await _page(endpoint, prefix, at, after, limit, chosen)
    if form.as_kind == TABLE and len(page.entries) > FEW:
        await request.seat.take()
    return await request.seat.run(_document, endpoint, request, page, form, limit, prefix)


def _everything(endpoint: Endpoint, prefix: str, form: Form) -> Response:
    """All that is beneath `prefix` now. While a client is being sent it, others get the same bytes: many that ask at
    once, as after a restart, cost no more than one in memory, and a third less time each. Raises Unreadable."""
    cache = endpoint.store.cache
    cache.check(prefix)
    key = cache.version, prefix, form.as_kind, form.version
    items = endpoint.listings.get(key)
    if items is None:
        items = endpoint.listings[key] = _items(endpoint, cache.snapshot().entries(prefix), form)
    return _list(endpoint, form, {"resourceVersion": str(cache.revision)}, items)


def _limit(request: Request) -> int:
    text = request.arg("limit")
    if not text:
        return 0
    try:
        return max(int(text), 0)
    except ValueError:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


async def _where(endpoint: Endpoint, request: Request) -> tuple[int, str]:
    """The revision to list at (0: the newest) and the key to go on after. Raises StatusError."""
    version, match = request.arg("resourceVersion"), request.arg("resourceVersionMatch")
    token = request.arg("continue")
    check_match(version, match, token)
    if token:
        if version and version != "0":
            raise bad_request("specifying resource version is not allowed when using continue")
        found = _read_token(token)
        return max(found.rv, 0), endpoint.store.prefix(request.info.namespace) + found.start
    if not version:
        return 0, ""
    wanted = await wait_until(endpoint, version)
    exact = match == EXACT or (not match and request.arg("limit") not in ("", "0") and wanted != 0)
    return (wanted if exact else 0), ""


def check_match(version: str, match: str, token: str, *, watch: bool = False) -> None:
    """The rules of resourceVersionMatch. Raises StatusError 422."""
    if not match:
        return
    err, path = Errors(), Path("resourceVersionMatch")
    if watch:
        err.forbidden(path, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
    elif token:
        err.forbidden(path, "resourceVersionMatch is forbidden when continue is provided")
    elif not version:
        err.forbidden(path, "resourceVersionMatch is forbidden unless resourceVersion is provided")
    elif match not in (EXACT, NOT_OLDER):
        err.not_supported(path, match, (EXACT, NOT_OLDER, ""))
    elif match == EXACT and version == "0":
        err.forbidden(path, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
    if err:
        raise invalid_options("ListOptions", err)


async def _page(endpoint: Endpoint, prefix: str, at: int, after: str, limit: int, chosen: Selection) -> EntryPage:
    """The next `limit` entries that pass the selection."""
    cache, test = endpoint.store.cache, chosen.test()
    try:
        if test is None:
            return await cache.page(prefix, at_revision=at, after=after, limit=limit)
        few = None
        if at in (0, cache.revision) and not after:
            cache.check(prefix)
            few = chosen.candidates(cache, prefix)
        if few is not None:
            page = EntryPage(few, cache.revision)
        else:
            page = await cache.page(prefix, at_revision=at, after=after)
    except Compacted:
        raise _too_old(endpoint, prefix, after) from None
    except FutureRevision as error:
        raise too_large(at, error.current) from None
    passing = [entry for entry in page.entries if test(entry)]
    if limit and len(passing) > limit:
        # The rest is of the same snapshot: asking for one entry makes the cache keep it.
        if at == 0:
            page = await cache.page(prefix, limit=1)
        return EntryPage(passing[:limit], page.revision, len(passing) - limit)
    return EntryPage(passing, page.revision, 0)


def _too_old(endpoint: Endpoint, prefix: str, after: str) -> StatusError:
    if not after:
        return expired("The resourceVersion for the provided list is too old.")
    error = expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
        "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
        "modified, or deleted between the time the first chunk was returned and now may show up in the list."
    )
    error.list_meta = {"continue": _token(-1, after.removeprefix(prefix))}
    return error


def _token(revision: int, start: str) -> str:
    packed = msgspec.json.encode(Continue("meta.k8s.io/v1", revision, start))
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def _read_token(token: str) -> Continue:
    try:
        packed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        found = msgspec.json.decode(packed, type=Continue)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise bad_request(f"continue key is not valid: {error}") from error
    if found.v != "meta.k8s.io/v1":
        raise bad_request(f'continue key is not valid: server does not recognize this encoded version "{found.v}"')
    if ".." in found.start.split("/"):
        raise bad_request("continue key is not valid: encoded start key is invalid")
    return found


def _document(endpoint: Endpoint, request: Request, page: EntryPage, form: Form, limit: int, prefix: str) -> Response:
    list_meta: Object = {"resourceVersion": str(page.revision)}
    if limit and page.more:
        list_meta["continue"] = _token(page.revision, page.entries[-1].key.removeprefix(prefix))
        if page.remaining > 0 and not (request.arg("labelSelector") or request.arg("fieldSelector")):
            list_meta["remainingItemCount"] = page.remaining
    if form.as_kind != TABLE:
        return _list(endpoint, form, list_meta, _items(endpoint, page.entries, form))
    include, now = include_object(request), endpoint.clock.now()
    table = endpoint.tables.document(_shown(endpoint, page.entries), list_meta, include, form.version, now)
    return encoding.respond(200, table, form)


def _list(endpoint: Endpoint, form: Form, list_meta: Object, items: Pieces) -> Response:
    head = b'%b,"metadata":%b,"items":[' % (encoding.list_head(endpoint.strategy, form), msgspec.json.encode(list_meta))
    return encoding.respond(200, head, form, items)


def _items(endpoint: Endpoint, entries: list[Entry], form: Form) -> Pieces:
    return Pieces.of_items(encoding.items(_shown(endpoint, entries), endpoint.strategy, form), b"]}\n")


def _shown(endpoint: Endpoint, entries: list[Entry]) -> list[Entry]:
    return entries if endpoint.strategy.hub is None else [endpoint.store.codec.shown(entry) for entry in entries]


__all__ = ["check_match", "list_", "parse_version"]
