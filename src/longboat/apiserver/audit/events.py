"""A request as an audit event (audit.k8s.io/v1 Event), encoded. Pure, and bounded whatever a client sends."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote, urlencode

import msgspec

from longboat.apiserver.audit import objects, policy
from longboat.apiserver.audit.objects import TooLarge
from longboat.apiserver.audit.rules import METADATA, RECEIVED, REQUEST_RESPONSE
from longboat.apiserver.request import Judged, Request, Response
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object, micro_timestamp
from longboat.machinery.user import User

USER_AGENT = 1024  # characters, as upstream (audit, maxUserAgentLength)
TEXT = 512  # of a name, a reason or a message
LISTED = 2048  # of all groups, or all extra values, together
URI, WHOLE_URI = 4096, 128 << 10
OF_BODIES = "patch.webhook.admission.k8s.io/"  # annotations that are recorded where objects are (level Request)
PATCHES = 256 << 10  # characters of all of them together
CUT = "...TRUNCATED"  # as upstream marks it
WRITES = frozenset(("create", "update", "patch", "delete"))
QUOTING = frozenset((400, 422))  # answers whose message may quote what the client sent: it is left out
TRUNCATED = "audit.k8s.io/truncated"  # as upstream marks events that lack an object
CAUSES = 8 << 10  # characters of all causes of one answer
AS_METADATA = Judged(METADATA)

_encode = msgspec.json.Encoder().encode
_PLAIN = re.compile(r"[A-Za-z0-9_.~/:@!$&'()*+,;=-]*").fullmatch


class _Meta(msgspec.Struct, frozen=True):
    name: str = ""
    uid: str = ""
    resourceVersion: str = ""


class _Details(_Meta, frozen=True, omit_defaults=True):
    group: str = ""
    kind: str = ""


class _Answer(msgspec.Struct):
    """What is read of an answer: an object, or the Status of a deletion."""

    metadata: _Meta = _Meta()
    details: _Details | None = None


_NOBODY = _Meta()
_answer = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request went. `code` is 0 where it was never answered."""

    code: int
    reason: str = ""
    message: str = ""
    found: _Meta = _NOBODY  # the object as it was answered
    details: Object | None = None  # of a Status that was answered
    body: msgspec.Raw | None = None  # the whole of it, where that is recorded
    lacks: bool = False  # it was too large

    @classmethod
    def of(cls, request: Request, response: Response, judged: Judged = AS_METADATA) -> Outcome:
        written = request.info.verb in WRITES and response.status < 300 and response.content_type == "application/json"
        body, lacks = None, False
        if judged.level == REQUEST_RESPONSE:
            try:
                body = objects.answered(request, response, managed=not judged.omits_managed)
            except TooLarge:
                lacks = True
        found, details = _told(response.body) if written else (_NOBODY, None)
        return cls(response.status, "", "", found, details, body, lacks)

    @classmethod
    def refused(cls, request: Request, error: StatusError, judged: Judged = AS_METADATA) -> Outcome:
        message = "" if error.code in QUOTING and not judged.bodies else error.message
        if error.code == 401 and request.user is None:
            message = _attempted(request)
        name = error.details.get("name")
        details = error.details if judged.bodies or error.code not in QUOTING else None
        body = msgspec.Raw(_encode(error.status())) if judged.level == REQUEST_RESPONSE else None
        return cls(error.code, error.reason, message, _Meta(name if isinstance(name, str) else ""), details, body)


def _told(body: bytes) -> tuple[_Meta, Object | None]:
    try:
        found = _answer.decode(body)
    except msgspec.DecodeError:
        return _NOBODY, None  # an answer that is no object (of a webhook, a proxy): there is nothing to refer to
    if found.details is None or found.metadata.uid:
        return found.metadata, None
    return found.details, msgspec.to_builtins(found.details)


def _attempted(request: Request) -> str:
    """How somebody tried to prove who they are, in vain; never with what."""
    scheme, _, credential = request.headers.get("authorization", "").strip().partition(" ")
    tried = [scheme.lower()] if credential and scheme.lower() in ("basic", "bearer") else []
    if request.peer_certificate is not None:
        tried.append("x509")
    return f"Authentication failed, {'attempted: ' + ', '.join(tried) if tried else 'no credentials provided'}"


def event(
    request: Request, stage: str, outcome: Outcome, received: datetime, now: datetime, judged: Judged = AS_METADATA
) -> bytes:
    """One line of the log, without its end: at most 96 KiB, and 128 more where something was run in a container; and
    the objects that are recorded, 2 MiB each, with the patches of webhooks."""
    asking = request.requester or request.user
    found: Object = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": judged.level,
        "auditID": request.request_id,
        "stage": stage,
        "requestURI": _uri(request, outcome.code),
        "verb": request.info.verb,
        "user": _user(asking) if asking else {},
    }
    if request.requester is not None and request.user is not None:
        found["impersonatedUser"] = _user(request.user)
    found["sourceIPs"] = [request.remote]
    if agent := request.headers.get("user-agent", ""):
        found["userAgent"] = short(agent, USER_AGENT)
    if request.info.is_resource:
        found["objectRef"] = _reference(request, outcome.found)
    lacks = outcome.lacks
    if stage != RECEIVED:
        found["responseStatus"] = _status(outcome)
        if judged.bodies:
            try:
                sent = objects.sent(request.sent, managed=not judged.omits_managed)
            except TooLarge:
                sent, lacks = None, True
            found |= {name: obj for name, obj in (("requestObject", sent), ("responseObject", outcome.body)) if obj}
    found["requestReceivedTimestamp"] = micro_timestamp(received)
    found["stageTimestamp"] = micro_timestamp(now)
    annotations, cut = _annotations(request, judged)
    if lacks or cut:
        annotations[TRUNCATED] = "true"
    if request.decision is not None:
        allowed, reason = request.decision
        annotations["authorization.k8s.io/decision"] = "allow" if allowed else "forbid"
        annotations["authorization.k8s.io/reason"] = short(reason)
    if annotations:
        found["annotations"] = annotations
    return _encode(found)


def _annotations(request: Request, judged: Judged) -> tuple[dict[str, str], bool]:
    """And whether one is left out: of a patch, which says as much as the object, half is worth nothing."""
    found, left, cut = dict[str, str](), PATCHES, False
    for name, text in request.annotations.items():
        if not name.startswith(OF_BODIES):
            found[name] = short(text)
        elif judged.bodies:
            left -= len(text)
            if left < 0:
                cut = True
            else:
                found[name] = text
    return found, cut


def short(text: str, most: int = TEXT) -> str:
    return text if len(text) <= most else text[:most] + CUT


def _uri(request: Request, code: int) -> str:
    path = request.path if _PLAIN(request.path) else quote(request.path, safe="/:@!$&'()*+,;=~")
    query = request.raw_query or (urlencode(request.query, doseq=True) if request.query else "")
    if policy.confidential_query(request):
        query = "&".join(f"{part.partition('=')[0]}=" for part in query.split("&") if part)
    return short(f"{path}?{query}" if query else path, WHOLE_URI if policy.whole_uri(request, code) else URI)


def _user(user: User) -> Object | msgspec.Raw:
    if not user.extra and len(user.name) + len(user.uid) + sum(map(len, user.groups)) < LISTED:
        return _known(user.name, user.uid, tuple(user.groups))
    return _described(user)


@lru_cache(256)
def _known(name: str, uid: str, groups: tuple[str, ...]) -> msgspec.Raw:
    """Those who come again and again, encoded once."""
    return msgspec.Raw(_encode(_described(User(name, groups, uid))))


def _described(user: User) -> Object:
    found: Object = {"username": short(user.name)}
    if user.uid:
        found["uid"] = short(user.uid)
    if user.groups:
        found["groups"] = _listed(user.groups)
    if user.extra:
        left, extra = LISTED, {}
        for key, values in user.extra.items():
            left -= len(key) + sum(map(len, values))
            if left < 0:
                break
            extra[key] = list(values)
        found["extra"] = extra
    return found


def _listed(values: Iterable[str]) -> list[str]:
    left, found = LISTED, list[str]()
    for value in values:
        left -= len(value) + 4
        if left < 0:
            return [*found, CUT]
        found.append(value)
    return found


def _reference(request: Request, answered: _Meta) -> Object:
    """audit.k8s.io ObjectReference. A name that the server chose, uid and resourceVersion are those answered."""
    info = request.info
    found: Object = {"resource": short(info.resource)}
    if info.namespace:
        found["namespace"] = short(info.namespace)
    if name := info.name or answered.name:
        found["name"] = short(name)
    if answered.uid:
        found["uid"] = short(answered.uid)
    if info.group:
        found["apiGroup"] = short(info.group)
    found["apiVersion"] = short(info.version)
    if answered.resourceVersion:
        found["resourceVersion"] = short(answered.resourceVersion)
    if info.subresource:
        found["subresource"] = short(info.subresource)
    return found


def _status(outcome: Outcome) -> Object:
    found: Object = {"metadata": {}}
    if outcome.code >= 400 or outcome.message:
        found["status"] = "Failure"
    elif outcome.details is not None:
        found["status"] = "Success"
    if outcome.message:
        found["message"] = short(outcome.message)
    if outcome.reason:
        found["reason"] = outcome.reason
    if outcome.details:
        found["details"] = _bounded(outcome.details)
    if outcome.code:
        found["code"] = outcome.code
    return found


def _bounded(details: Object) -> Object:
    """What a Status says of its object, and of its causes the first: they say it in as many words as they like."""
    found: Object = {
        field: short(value) if isinstance(value, str) else value
        for field, value in details.items()
        if isinstance(value, str | int)
    }
    causes, left = list[Object](), CAUSES
    for cause in details.get("causes") or ():
        told = {field: short(text) for field, text in cause.items() if isinstance(text, str)}
        left -= sum(map(len, told.values()))
        if left < 0:
            break
        causes.append(told)
    return found | {"causes": causes} if causes else found
