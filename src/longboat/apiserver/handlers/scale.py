"""The scale subresource: three numbers of any kind that has replicas, as autoscaling/v1 Scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec

from longboat.api import kinds
from longboat.apiserver.encoding import Tables, respond
from longboat.apiserver.endpoint import Endpoint, field_validation, one, read_object, result_key, write_of
from longboat.apiserver.handlers.apply import configuration
from longboat.apiserver.handlers.patch import patch_type, read_patch
from longboat.apiserver.options import forced
from longboat.apiserver.request import Request, Response
from longboat.machinery import errors, refusals, selectors
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig, meta
from longboat.machinery.patch import json as json_patch
from longboat.machinery.patch import merge
from longboat.machinery.patch.document import APPLY, JSON, STRATEGIC
from longboat.machinery.table import AGE, Column
from longboat.registry.admission import Admission, Attributes
from longboat.registry.strategy import ScaleFields
from longboat.storage.entry import Entry


async def scale(endpoint: Endpoint, request: Request) -> Response:
    """GET, PUT and PATCH. Raises StatusError."""
    info, fields = request.info, endpoint.strategy.scale
    assert fields is not None
    store = endpoint.store
    if info.verb == "get":
        entry = store.get(info.namespace, info.name)
        (entry,) = await endpoint.shown((entry,), request.form)
        body = entry.body
    elif info.verb == "update":
        wanted = await read_object(request, kinds.SCALE, endpoint.schema)
        sent = meta(wanted)
        body = await _write(
            endpoint, request, fields, lambda _: wanted, uid=sent.get("uid") or "", retry="resourceVersion" not in sent
        )
    else:
        media_type = patch_type(endpoint, request)
        if media_type == APPLY:
            return _shown(await _apply(endpoint, request, fields), endpoint, fields, request)
        validation = field_validation(request)
        document, complaints, unread = await read_patch(request, media_type, validation)

        def patched(before: Object) -> Object:
            if unread is not None:
                raise unread
            changed = (json_patch if media_type == JSON else merge).apply(before, document)
            if not isinstance(changed, dict):
                raise refusals.unfit_patch(kinds.SCALE, changed, refusals.no_object(changed))
            merged = document if media_type == STRATEGIC else None
            new, warnings = endpoint.schema.check_object(
                kinds.SCALE, changed, validation, complaints, large=request.seat.taken, merged=merged
            )
            request.warnings[:] = warnings
            return new

        body = await _write(endpoint, request, fields, patched, retry=True)
    return _shown(body, endpoint, fields, request)


def _shown(body: bytes, endpoint: Endpoint, fields: ScaleFields, request: Request) -> Response:
    shown, form = view(msgspec.json.decode(body), fields), request.form
    body = msgspec.json.encode(shown)
    if not form.as_kind:
        return respond(200, body, form)
    entry = Entry(result_key(endpoint, request), int(meta(shown).get("resourceVersion") or 0), body, {}, {})
    tables = _TABLES if endpoint.strategy.type is None else _CUSTOM_TABLES
    return respond(200, one(endpoint, request, entry, form, tables), form)


def _tables(desired: str, available: str, age: Column, absent: int | None) -> Tables:
    """`absent`: shown for replicas that a Scale, where none are wanted, does not have."""
    return Tables((
        Column("Desired", int, lambda scale: dig(scale, "spec", "replicas", default=absent), description=desired),
        Column("Available", int, lambda scale: dig(scale, "status", "replicas"), description=available),
        age,
    ))  # fmt: skip


_TABLES = _tables(
    "replicas is the desired number of instances for the scaled object.",
    "replicas is the actual number of observed instances of the scaled object.",
    AGE, 0,
)  # fmt: skip
_CUSTOM_TABLES = _tables("Number of desired replicas", "Number of actual replicas", replace(AGE, told_as="date"), None)


async def _apply(endpoint: Endpoint, request: Request, fields: ScaleFields) -> bytes:
    """Server-side apply of a Scale."""
    write, read, force = write_of(endpoint, request), await configuration(request), forced(request.query)
    write.applies = True

    def change(old: Object) -> Object:
        new = {**old, "metadata": dict(meta(old))}
        wanted = endpoint.store.ownership.apply_scale(new, view(old, fields), read(), write, force=force)
        return _scaled(new, wanted, fields, request.info.name)

    admission, info = _AsScale(endpoint.admission, fields), request.info
    result = await endpoint.store.update(info.namespace, info.name, change, write, retry=True, admission=admission)
    return result.body


async def _write(
    endpoint: Endpoint,
    request: Request,
    fields: ScaleFields,
    change: Callable[[Object], Object],
    *,
    retry: bool,
    uid: str = "",
) -> bytes:
    """`retry`: it rests on nothing but the object given to it; `uid`: of the object that is meant."""
    info = request.info
    write = write_of(endpoint, request)

    def apply(old: Object) -> Object:
        shown = old if not fields.must_have else _having(old, fields)
        wanted = change(view(shown, fields))
        return _scaled({**old, "metadata": dict(meta(old))}, wanted, fields, info.name)

    admission = _AsScale(endpoint.admission, fields)
    return (
        await endpoint.store.update(info.namespace, info.name, apply, write, retry=retry, uid=uid, admission=admission)
    ).body


def _scaled(new: Object, wanted: Object, fields: ScaleFields, name: str) -> Object:
    """The object as its Scale is wished for."""
    _check(wanted, name)
    given = meta(wanted)
    if version := given.get("resourceVersion"):
        new["metadata"]["resourceVersion"] = version
    if given.get("uid"):
        new["metadata"]["uid"] = given["uid"]
    _put(new, fields.spec_replicas.split("."), dig(wanted, "spec", "replicas", default=0))
    return new


class _AsScale:
    """Shows admission the Scale of an object, and takes from it what it changes there."""

    def __init__(self, admission: Admission, fields: ScaleFields) -> None:
        self._admission, self._fields = admission, fields

    def _shown(self, attributes: Attributes) -> Attributes:
        assert attributes.obj is not None and attributes.old is not None
        new, old = (view(obj, self._fields) for obj in (attributes.obj, attributes.old))
        return replace(attributes, obj=new, old=old)

    async def mutate(self, attributes: Attributes) -> None:
        shown = self._shown(attributes)
        await self._admission.mutate(shown)
        assert attributes.obj is not None
        _check(shown.obj or {}, attributes.name)
        replicas = dig(shown.obj, "spec", "replicas", default=0)
        _put(attributes.obj, self._fields.spec_replicas.split("."), replicas)

    async def validate(self, attributes: Attributes) -> None:
        await self._admission.validate(self._shown(attributes))


def _check(wanted: Object, name: str) -> None:
    replicas = dig(wanted, "spec", "replicas", default=0)
    given = meta(wanted).get("name") or ""
    if given != name:
        raise errors.bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")
    if replicas < 0:
        err = Errors()
        err.invalid(Path("spec", "replicas"), replicas, "must be greater than or equal to 0")
        raise errors.invalid(kinds.SCALE, name, err)


def _having(obj: Object, fields: ScaleFields) -> Object:
    """The object, with a number to change: a write may be the first to set it."""
    path = fields.spec_replicas.split(".")
    if dig(obj, *path) is not None:
        return obj
    found = dict(obj)
    _put(found, path, 0)
    return found


def _put(obj: Object, path: list[str], value: object) -> None:
    for step in path[:-1]:
        obj[step] = dict(obj.get(step) or {})
        obj = obj[step]
    obj[path[-1]] = value


def view(obj: Object, fields: ScaleFields) -> Object:
    """The Scale of an object."""
    found = meta(obj)
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    replicas = dig(obj, *fields.spec_replicas.split("."), default=0)
    if fields.must_have and dig(obj, *fields.spec_replicas.split(".")) is None:
        why = f'the spec replicas field "{fields.must_have}" does not exist'
        raise errors.StatusError(500, "InternalError", f"Internal error occurred: {why}")
    status: Object = {"replicas": dig(obj, *fields.status_replicas.split("."), default=0)}
    selector = dig(obj, *fields.selector.split("."))
    if isinstance(selector, str):
        status["selector"] = selector
    elif selector:
        plain = not ({"matchLabels", "matchExpressions"} & selector.keys())
        status["selector"] = str(selectors.from_map(selector) if plain else selectors.from_api(selector))
    shown: Object = {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {field: found[field] for field in kept if field in found},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }
    return shown
