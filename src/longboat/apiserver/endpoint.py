"""One resource as the handlers meet it: its store, its tables, and how its requests' bodies are read."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from weakref import WeakValueDictionary

import msgspec

from longboat.aio.cache import short_lru
from longboat.aio.clock import Clock
from longboat.aio.histogram import Histogram, exponential
from longboat.aio.http.pieces import Pieces
from longboat.apiserver import protobufs
from longboat.apiserver.authz.authorizer import Authorizer
from longboat.apiserver.encoding import Tables, respond
from longboat.apiserver.media import PARTIAL, PARTIAL_LIST, TABLE, YAML, Form
from longboat.apiserver.options import LONGEST_MANAGER, check_write
from longboat.apiserver.request import Request, Response
from longboat.machinery import refusals
from longboat.machinery.errors import bad_request, not_acceptable, unsupported_media_type
from longboat.machinery.fieldpath import quoted
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.patch.document import APPLY
from longboat.machinery.types.schema import JSON, PROTOBUF, WARN, Schema
from longboat.registry.admission import Admission, Attributes
from longboat.registry.store import Result, Store
from longboat.registry.strategy import Strategy
from longboat.registry.write import Write
from longboat.storage.entry import Entry

MAX_BODY = 3 << 20  # bytes (apiserver, MaxRequestBodyBytes)
LIGHT = 2 << 10  # bytes of a body that nobody need look at twice
HEAVY = 128 << 10  # bytes, and
MANY = 1000  # values, from which on a body is read and checked beside the loop
EVENT_SIZES = exponential(1024, 2, 8)  # bytes (apiserver, endpoints metrics)


_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Endpoint:
    strategy: Strategy
    store: Store
    schema: Schema
    clock: Clock
    admission: Admission
    authorizer: Authorizer | None = None  # where a write may turn out to be a create; None: whoever may write may
    tables: Tables = field(init=False)
    listings: WeakValueDictionary[Hashable, Pieces] = field(init=False, default_factory=WeakValueDictionary)
    """The items of lists that are being sent, by what they are lists of."""
    watched: Histogram = field(init=False)  # bytes of the events that were sent

    def __post_init__(self) -> None:
        self.tables = Tables(self.strategy.columns, self.strategy.row_rank)
        self.watched = Histogram(EVENT_SIZES)

    @property
    def kind(self) -> Kind:
        return self.strategy.kind

    def shows(self, form: Form) -> bool:
        """Whether what is shown may differ from what is stored. Metadata is the same in all versions: nobody is asked
        for another, and the collector and namespaces do not depend on who would have to be."""
        codec = self.store.codec
        return codec.shows and not (codec.asks and form.as_kind in (PARTIAL, PARTIAL_LIST))

    def encodings(self, form: Form) -> protobufs.Encodings:
        """Its objects in protobuf."""
        return protobufs.Encodings(self.schema, self.kind, self.store.cache, form)

    async def shown(self, entries: Sequence[Entry], form: Form) -> Sequence[Entry]:
        """Entries as this version shows them. Raises StatusError."""
        if not self.shows(form):
            return entries
        await self.store.ready(entries)
        return list(map(self.store.codec.shown, entries))


async def read_object(request: Request, kind: Kind, schema: Schema) -> Object:
    """The request's body as an object of this kind; problems the client wants as warnings are put on the request."""
    data = await body_of(request)
    obj, warnings = await request.seat.run(schema.decode, kind, data, body_type(request), field_validation(request))
    request.warnings += warnings
    note_sent(request, obj)
    return obj


async def read_own(endpoint: Endpoint, request: Request) -> Object:
    """As `read_object`, of the kind that is served here.

    The audit log has it with its defaults, which upstream's decoder adds.
    """
    obj = await read_object(request, endpoint.kind, endpoint.schema)
    if request.judged is not None and request.judged.bodies:
        request.sent = await request.seat.run(_with_defaults, endpoint, obj)
    return obj


def _with_defaults(endpoint: Endpoint, obj: Object) -> bytes:
    found = deepcopy(obj)
    endpoint.strategy.default(found)
    return endpoint.schema.as_read(endpoint.kind, found)


def note_sent(request: Request, obj: Object) -> None:
    """For the audit event, where that is to have it: with its kind, and as JSON, whatever it came as."""
    if request.judged is not None and request.judged.bodies:
        request.sent = _encode(obj)


async def body_of(request: Request) -> bytes:
    """The request's body. One that it takes long to read, or to check, is worked on beside the loop from here on.

    Raises StatusError 413.
    """
    data = await request.read_body(MAX_BODY)
    if request.judged is not None and request.judged.bodies:
        request.sent = data
    if len(data) > LIGHT and is_heavy(data, request.headers.get("content-type", "")):
        await request.seat.take()
    return data


def is_heavy(data: bytes, content_type: str) -> bool:
    """Whether reading and checking it may take more than a few milliseconds: it has many values, or is YAML."""
    if len(data) > HEAVY or YAML in content_type:
        return True
    if PROTOBUF in content_type:
        return len(data) > HEAVY // 8  # a value may have two bytes
    return data.count(b",") + data.count(b"[") > MANY


def body_type(request: Request) -> str:
    """The media type of the body. Raises StatusError 415 for what cannot be read."""
    given = request.headers.get("content-type", "").partition(";")[0].strip() or JSON
    if given in (JSON, YAML, PROTOBUF):
        return given
    raise unsupported_media_type(
        f"the body of the request was in an unknown format - accepted media types include: {JSON}, {YAML}, {PROTOBUF}"
    )


def field_validation(request: Request) -> str:
    """Strict, Warn (upstream's default) or Ignore. Raises StatusError 422."""
    _check_write(request)
    return request.arg("fieldValidation") or WARN


def write_of(endpoint: Endpoint, request: Request, options: Object | None = None) -> Write:
    """How this request writes. `options`: of a deletion, which have been checked. Raises StatusError 422."""
    if options is None:
        _check_write(request)
    return Write(
        user=request.user,
        manager=manager_of(request),
        dry_run=bool(request.query.get("dryRun") or (options or {}).get("dryRun")),
        options=options_of(request, options),
        warnings=request.warnings,
        annotations=request.annotations,
        subresource=request.info.subresource,
        seat=request.seat,
        until=request.until,
    )


def _check_write(request: Request) -> None:
    name = _options_name(request)
    applies = name == "PatchOptions" and request.headers.get("content-type", "").startswith(APPLY)
    if request.query or applies:
        check_write(request.query, name, apply=applies)


def manager_of(request: Request) -> str:
    """Who owns what the request changes: who it says it is, or what its User-Agent begins with, printable and no longer
    than a name may be (apiserver, managerOrUserAgent)."""
    return request.arg("fieldManager") or _first_word(request.headers.get("user-agent", ""))


@short_lru(maxsize=256, longest=512)
def _first_word(agent: str) -> str:
    found = ""
    for letter in filter(str.isprintable, agent.partition("/")[0]):
        if len((found + letter).encode()) > LONGEST_MANAGER:
            break
        found += letter
    return found


def _options_name(request: Request) -> str:
    return _options_of(request.info.verb)


@lru_cache(maxsize=32)
def _options_of(verb: str) -> str:
    return f"{verb.removesuffix('collection').capitalize()}Options"


def attributes_of(request: Request, write: Write, operation: str, obj: Object, name: str = "") -> Attributes:
    """Of a request that is no write of its resource's own objects: `obj` is what it is admitted with."""
    info, kind = request.info, request.kind
    assert kind is not None
    write.operation = operation
    return Attributes(write, kind, request.part, info.namespace, info.name or name, obj)


def asking(request: Request) -> Write:
    """How somebody writes who changes nothing that is stored: connects, or asks for a review."""
    return Write(
        user=request.user, dry_run="All" in request.query.get("dryRun", ()), warnings=request.warnings,
        annotations=request.annotations, subresource=request.info.subresource, seat=request.seat,
        until=request.until,
    )  # fmt: skip


_GIVEN = ("fieldManager", "fieldValidation")


def options_of(request: Request, options: Object | None) -> Object:
    """As the client has given them (meta.k8s.io CreateOptions and its like), for admission to see."""
    query = request.query
    found: Object = {**(options or {}), "kind": _options_name(request), "apiVersion": "meta.k8s.io/v1"}
    if query:
        found |= {name: query[name][0] for name in _GIVEN if name in query}
        if "dryRun" in query:
            found["dryRun"] = list(query["dryRun"])
    return found


class _Meta(msgspec.Struct):
    resourceVersion: str = ""


class _Versioned(msgspec.Struct):
    metadata: _Meta


_decode_version = msgspec.json.Decoder(_Versioned).decode


def answer(endpoint: Endpoint, request: Request, result: Result) -> Response:
    """A written object, in the form the client accepts."""
    status = 201 if result.created else 200
    form = request.form
    if form.as_kind:
        version = _decode_version(result.body).metadata.resourceVersion
        entry = Entry(result_key(endpoint, request), int(version or 0), result.body, {}, {})
        return respond(status, one(endpoint, request, entry, form), form)
    return respond(status, result.body, form)


def result_key(endpoint: Endpoint, request: Request) -> str:
    return endpoint.store.key(request.info.namespace, request.info.name)


def one(endpoint: Endpoint, request: Request, entry: Entry, form: Form, tables: Tables | None = None) -> bytes:
    """A single object in a form other than itself. `tables`: where it is not one of the endpoint's kind."""
    from longboat.apiserver import encoding

    if form.as_kind == TABLE:
        include = include_object(request)
        version = {"resourceVersion": str(entry.revision)} if entry.revision else {}
        return (tables or endpoint.tables).document([entry], version, include, form.version, endpoint.clock.now())
    if form.as_kind == "PartialObjectMetadata":
        return encoding.partial(entry, form.version)
    raise not_acceptable(f"you requested {form.as_kind}, but the requested object is not a list ({go_type(endpoint)})")


def go_type(endpoint: Endpoint, *, listed: bool = False) -> str:
    """The type of an object, or of a list, in upstream's memory: errors name it."""
    kind = endpoint.kind
    if endpoint.strategy.type is not None:
        return f"*unstructured.Unstructured{'List' if listed else ''}"
    return f"*{refusals.package(kind.group)}.{kind.list_kind if listed else kind.name}"


def include_object(request: Request) -> str:
    """The TableOptions' includeObject. Raises StatusError 400."""
    wish = request.arg("includeObject") or "Metadata"
    if wish not in ("Object", "Metadata", "None"):
        why = f"Invalid value: {quoted(wish)}: must be 'Metadata', 'Object', 'None', or empty"
        raise bad_request(f"Unable to convert to Table as requested: includeObject: {why}")
    return wish
