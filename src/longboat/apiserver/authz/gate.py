"""The link of the chain that lets through what is allowed, and what a request may do beside what its verb says."""

from __future__ import annotations

from longboat.apiserver.authz.action import MASTERS, Action
from longboat.apiserver.authz.authorizer import Answers, Authorizer, Unasked
from longboat.apiserver.authz.requirements import read
from longboat.apiserver.request import Filter, Handler, Request, RequestInfo, Response
from longboat.machinery.errors import StatusError, forbidden
from longboat.machinery.fieldpath import quoted
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.user import User

_SELECTING = ("list", "watch", "deletecollection")
_MASTERED = True, ""


async def ensure_verb(authorizer: Authorizer, request: Request, verb: str) -> None:
    """For requests that do more than the verb of their method says. Raises StatusError 403, as upstream words it."""
    info, user = request.info, request.user or User("system:anonymous")
    if info.verb == verb:
        return
    decision = await authorizer.judge(user, Action.of(info)._replace(verb=verb, version=info.version))
    if not decision.allowed:
        kind = Kind(info.group, info.version, info.resource, info.resource)
        raise forbidden(kind, info.name, decision.reason)


def ensure_create(authorizer: Authorizer | None, request: Request, answers: Answers) -> None:
    """For a PUT or an applied configuration of what is not there yet. Raises StatusError 403, as `authorize` does, and
    Unasked."""
    user, info = request.user, request.info._replace(verb="create")
    if authorizer is None or user is None or MASTERS in user.groups:
        return
    decision = authorizer.decide(user, Action.of(info)._replace(version=info.version), answers)
    if not decision.allowed:
        raise refused(user, info, decision.reason)


def authorize(authorizer: Authorizer) -> Filter:
    """Lets through what is allowed; refuses the rest with 403 in upstream's words, or 500 where who should have known
    could not be asked."""

    async def check(request: Request, inner: Handler) -> Response:
        user = request.user
        assert user is not None
        if MASTERS in user.groups:  # as `decide` has it, without saying what for
            request.decision = _MASTERED
            return await inner(request)
        action = Action.of(request.info)
        try:
            decision = authorizer.decide(user, action)
        except Unasked:
            decision = await authorizer.judge(user, _whole(action, request))
        request.decision = decision[:2]
        if not decision.allowed:
            if decision.error:
                return _failed(request, decision.error)
            raise refused(user, request.info, decision.reason)
        return await inner(request)

    return check


def _whole(action: Action, request: Request) -> Action:
    """With what only webhooks are told."""
    found = action._replace(version=request.info.version)
    if request.info.is_resource and request.info.verb in _SELECTING:
        found = found._replace(
            by_field=read(request.arg("fieldSelector"), labels=False),
            by_label=read(request.arg("labelSelector"), labels=True),
        )
    return found


def _failed(request: Request, error: str) -> Response:
    """As upstream's responsewriters.InternalError words it."""
    uri = f"{request.path}?{request.raw_query}" if request.raw_query else request.path
    message = f"Internal Server Error: {quoted(uri)}: {error}"
    for sign, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        message = message.replace(sign, written)
    headers = {"X-Content-Type-Options": "nosniff"}
    return Response(500, f"{message}\n".encode(), "text/plain; charset=utf-8", headers)


def refused(user: User, info: RequestInfo, reason: str = "") -> StatusError:
    """As upstream's responsewriters.Forbidden words it."""
    because = f": {reason}" if reason else ""
    if not info.is_resource:
        message = f'User "{user.name}" cannot {info.verb} path "{info.path}"'
        return StatusError(403, "Forbidden", f"forbidden: {message}{because}", {})
    what = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    message = f'User "{user.name}" cannot {info.verb} resource "{what}" in API group "{info.group}"'
    message += f' in the namespace "{info.namespace}"' if info.namespace else " at the cluster scope"
    qualified = f"{info.resource}.{info.group}" if info.group else info.resource
    subject = f'{qualified} "{info.name}"' if info.name else qualified
    details: Object = {"kind": info.resource}
    if info.name:
        details["name"] = info.name
    if info.group:
        details["group"] = info.group
    return StatusError(403, "Forbidden", f"{subject} is forbidden: {message}{because}", details)
