"""LIST: a page of one consistent snapshot, joined from bytes that are ready."""

from __future__ import annotations

import msgspec

from longboat.aio.http.pieces import Pieces
from longboat.apiserver import encoding, protobufs
from longboat.apiserver.endpoint import Endpoint, go_type, include_object
from longboat.apiserver.handlers.pages import ALL, extent_of, list_meta, page_of
from longboat.apiserver.handlers.selection import asked
from longboat.apiserver.media import META_GROUP, PARTIAL, PARTIAL_LIST, PROTOBUF, TABLE, Form
from longboat.apiserver.request import Request, Response
from longboat.machinery.errors import not_acceptable
from longboat.machinery.objects import Object
from longboat.storage.entry import Entry
from longboat.storage.watchcache import EntryPage

FEW = 200  # rows of a table that are made at once (about ten milliseconds, where nobody has asked for them before)


async def list_(endpoint: Endpoint, request: Request) -> Response:
    options, chosen = await asked(endpoint, request)
    form = request.form
    check_form(endpoint, form)
    prefix = endpoint.store.prefix(request.info.namespace)
    extent = await extent_of(endpoint, options, chosen)
    if chosen.everything and form.as_kind != TABLE and extent == ALL:
        if endpoint.store.codec.asks and endpoint.shows(form):
            page = await page_of(endpoint, prefix, extent, chosen)  # others may come while somebody is asked
            return await listing(endpoint, request, page, prefix)
        if endpoint.shows(form):
            await endpoint.store.ready(endpoint.store.cache.snapshot().entries(prefix))
        return await _everything(endpoint, request, prefix)
    page = await page_of(endpoint, prefix, extent, chosen)
    return await listing(endpoint, request, page, prefix)


def check_form(endpoint: Endpoint, form: Form) -> None:
    """Raises StatusError 406 where a list cannot be shown so."""
    if form.as_kind == PARTIAL:
        shown = go_type(endpoint, listed=True)
        raise not_acceptable(f"you requested {PARTIAL}, but the requested object is a list ({shown})")


async def listing(endpoint: Endpoint, request: Request, page: EntryPage, prefix: str) -> Response:
    """A page, in the form that the client accepts."""
    if endpoint.shows(request.form):
        await endpoint.store.ready(page.entries)
    if ready_made(request):
        items = await _in_protobuf(endpoint, request, page.entries)
        return _list_in_protobuf(endpoint, request.form, list_meta(page, prefix), items)
    if request.form.as_kind == TABLE and len(page.entries) > FEW:
        await request.seat.take()
    return await request.seat.run(_document, endpoint, request, page, prefix)


def ready_made(request: Request) -> bool:
    """As for objects; of the older lists of metadata the items have another tag."""
    return protobufs.ready_made(request) and request.form.version == "v1"


async def _everything(endpoint: Endpoint, request: Request, prefix: str) -> Response:
    """All that is beneath `prefix` now. While a client is being sent it, others get the same bytes: many that ask at
    once, as after a restart, cost no more than one in memory, and a third less time each. Raises Unreadable."""
    form, ready, cache = request.form, ready_made(request), endpoint.store.cache
    cache.check(prefix)
    key = cache.version, prefix, ready, form.as_kind, form.version
    items = endpoint.listings.get(key)
    snapshot = cache.snapshot()
    number = snapshot.count(prefix)
    cache.figures.listed("", number if items is None else 0, number)
    found: Object = {"resourceVersion": str(snapshot.revision)}
    if not ready:
        if items is None:
            items = endpoint.listings[key] = _items(endpoint, snapshot.entries(prefix), form)
        return _list(endpoint, form, _told(endpoint, form, found), items)
    if items is None:
        made = await _in_protobuf(endpoint, request, snapshot.entries(prefix))
        items = endpoint.listings.setdefault(key, made)
    return _list_in_protobuf(endpoint, form, found, items)


def _document(endpoint: Endpoint, request: Request, page: EntryPage, prefix: str) -> Response:
    form, found = request.form, list_meta(page, prefix)
    if form.as_kind != TABLE:
        return _list(endpoint, form, _told(endpoint, form, found), _items(endpoint, page.entries, form))
    include, now = include_object(request), endpoint.clock.now()
    table = endpoint.tables.document(_shown(endpoint, page.entries, form), found, include, form.version, now)
    return encoding.respond(200, table, form)


def _list(endpoint: Endpoint, form: Form, found: Object, items: Pieces) -> Response:
    head = b'%b,"metadata":%b,"items":[' % (encoding.list_head(endpoint.strategy, form), msgspec.json.encode(found))
    return encoding.respond(200, head, form, items)


async def _in_protobuf(endpoint: Endpoint, request: Request, entries: list[Entry]) -> Pieces:
    form = request.form
    return await endpoint.encodings(form).items(_shown(endpoint, entries, form), request.seat)


def _list_in_protobuf(endpoint: Endpoint, form: Form, found: Object, items: Pieces) -> Response:
    kind = endpoint.kind
    api_version, name = kind.api_version, kind.list_kind
    if form.as_kind:
        api_version, name = f"{META_GROUP}/{form.version}", PARTIAL_LIST
    head = protobufs.list_head(endpoint.schema, api_version, name, found, items)
    return Response(200, head, PROTOBUF, tail=items)


def _told(endpoint: Endpoint, form: Form, found: Object) -> Object:
    """Lists of custom kinds say that nothing follows."""
    return found if form.as_kind or endpoint.strategy.type is None else {"continue": ""} | found


def _items(endpoint: Endpoint, entries: list[Entry], form: Form) -> Pieces:
    return encoding.items(_shown(endpoint, entries, form), endpoint.strategy, form)


def _shown(endpoint: Endpoint, entries: list[Entry], form: Form) -> list[Entry]:
    return [endpoint.store.codec.shown(entry) for entry in entries] if endpoint.shows(form) else entries
