"""Server-side apply: a PATCH that says what its sender wants, and so owns (KEP-555)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from longboat.apiserver.authz.authorizer import Answers, asking
from longboat.apiserver.authz.gate import ensure_create
from longboat.apiserver.endpoint import Endpoint, answer, body_of, field_validation, note_sent, write_of
from longboat.apiserver.options import forced
from longboat.apiserver.request import Request, Response
from longboat.machinery import text, yaml
from longboat.machinery.errors import StatusError, bad_request
from longboat.machinery.objects import Object, meta
from longboat.machinery.types import strict
from longboat.machinery.types.schema import IGNORE, STRICT
from longboat.machinery.types.shapes import ANY
from longboat.machinery.types.wording import described
from longboat.registry import metadata
from longboat.registry.store import Result

ATTEMPTS = 5  # to apply to what others create or delete meanwhile (apiserver, patch, maxRetryWhenPatchConflicts)

_FRACTIONS = re.compile(rb"\d[.eE]")  # where numbers may be written with more than digits

Read = Callable[[], Object]
"""The configuration, as often as it is asked for. Raises StatusError 400, and notes what it has to warn of."""


async def apply(endpoint: Endpoint, request: Request) -> Response:
    """Raises StatusError."""
    info, write = request.info, write_of(endpoint, request)
    write.applies, force = True, forced(request.query)
    read = await configuration(request)

    def change(live: Object | None) -> Object:
        write.now = endpoint.clock.now()
        new = endpoint.store.ownership.apply(live, read(), write, force=force)
        check_name(new, info.name)
        return new

    async def put(answers: Answers) -> Result:
        def create() -> Object:
            made = change(None)
            ensure_create(endpoint.authorizer, request, answers)
            return made

        return await endpoint.store.update(
            info.namespace, info.name, change, write, retry=True, creates=create, admission=endpoint.admission
        )

    for attempt in range(ATTEMPTS):
        try:
            result = await asking(put)
            break
        except StatusError as error:
            if error.reason != "AlreadyExists" or attempt == ATTEMPTS - 1:
                raise
        await endpoint.store.cache.fresh()  # where what somebody else has made is seen
    return answer(endpoint, request, result)


def check_name(obj: Object, name: str) -> None:
    """Raises StatusError 400 for an object that is not of the URL's name."""
    given = meta(obj).get("name") or ""
    if not given:
        raise bad_request(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")
    if given != name:
        raise metadata.name_mismatch(given, name)


async def configuration(request: Request) -> Read:
    """What is applied. What is wrong with it is told once its object is there."""
    validation, data, told = field_validation(request), await body_of(request), len(request.warnings)
    found: Object = {}
    complaints: list[str] = []
    wrong: StatusError | None = None
    try:
        found, complaints = await request.seat.run(_read, data)
        note_sent(request, found)
    except StatusError as error:
        wrong = error
    problems = strict.YAML_ERRORS + "\n".join(f"  {each}" for each in complaints)

    def read() -> Object:
        del request.warnings[told:]
        if wrong is not None:
            raise wrong
        if complaints and validation == STRICT:
            raise bad_request(f"error strict decoding YAML: error converting YAML to JSON: {problems}")
        if complaints and validation != IGNORE:
            request.warnings += strict.warnings([problems])
        return found

    return read


def _read(data: bytes) -> tuple[Object, list[str]]:
    """The object, and complaints about keys given twice. Raises StatusError 400."""
    try:
        value, complaints = _parsed(data)
    except text.Malformed as error:
        raise bad_request(f"error decoding YAML: error converting YAML to JSON: {error}") from error
    if value is None:
        return {}, complaints
    if not isinstance(value, dict):
        why = f"json: cannot unmarshal {described(value, ANY)} into Go value of type map[string]interface {{}}"
        raise bad_request(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {why}")
    return _plain(value) if _FRACTIONS.search(data) else value, complaints


def _plain(value: Any) -> Any:
    """Numbers without a fraction as what they are, however they are written."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 63 else value


def _parsed(data: bytes) -> tuple[Any, list[str]]:
    """JSON, which is read much faster, is YAML; only who writes a key twice is to be told of the line."""
    if data[:1] == b"{":
        try:
            value = text.decode_json(data)
            if not strict.repeats(data, value):
                return value, []
        except text.Malformed:
            pass
    return yaml.decode(data)
