"""Impersonation: somebody with the right to may act as somebody else."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from urllib.parse import unquote

from longboat.apiserver.authn.identity import ANONYMOUS, AUTHENTICATED
from longboat.apiserver.authz.action import Action
from longboat.apiserver.authz.authorizer import Authorizer
from longboat.apiserver.authz.gate import refused
from longboat.apiserver.request import Filter, Handler, Request, RequestInfo, Response
from longboat.machinery import names
from longboat.machinery.errors import bad_request
from longboat.machinery.fieldpath import quoted
from longboat.machinery.user import UNAUTHENTICATED, User

PREFIX, EXTRA, ACCOUNT = "impersonate-", "impersonate-extra-", "system:serviceaccount:"
AUTHENTICATION = "authentication.k8s.io"


def impersonate(authorizer: Authorizer) -> Filter:
    """Raises StatusError 403 where the requester may not, 400 for headers that name somebody by halves, or two."""

    def begin(request: Request, inner: Handler) -> Awaitable[Response]:
        for header in request.headers:
            if header[: len(PREFIX)].lower() == PREFIX:
                return act_as(request, inner)
        return inner(request)  # nearly all of them: at the cost of a look at their headers

    async def act_as(request: Request, inner: Handler) -> Response:
        name, uid = _said_once(request, "impersonate-user"), _said_once(request, "impersonate-uid")
        groups = request.header_values("impersonate-group")
        extra = _extra(request)
        if not name:
            if uid or groups or extra:
                raise bad_request(f"requested {_as_go(uid, groups, extra)} without impersonating a user name")
            return await inner(request)
        requester = request.user
        assert requester is not None
        for action in _wanted(name, groups, extra, uid):
            decision = await authorizer.judge(requester, action)
            if not decision.allowed:
                raise refused(requester, _as_info(action), decision.reason)
        request.requester = requester
        request.user = User(name, _groups(name, groups), uid, extra)
        return await inner(request)

    return begin


def _said_once(request: Request, header: str) -> str:
    """ "" where it is not there. Raises StatusError 400 for two: what stands between may have added its own."""
    values = request.header_values(header)
    if len(values) > 1:
        raise bad_request(f"header {header.title()} is given {len(values)} times")
    return values[0] if values else ""


def _extra(request: Request) -> dict[str, tuple[str, ...]]:
    return {
        unquote(header.lower().removeprefix(EXTRA)): tuple(request.header_values(header))
        for header in request.headers
        if header.lower().startswith(EXTRA)
    }


def _as_go(uid: str, groups: list[str], extra: dict[str, tuple[str, ...]]) -> str:
    """Whom nobody named, as upstream prints it (%#v of a user.DefaultInfo)."""
    listed = ", ".join(f"{quoted(key)}:{_go_list(extra[key])}" for key in sorted(extra))
    shown = f"{{{listed}}}" if extra else "(nil)"
    named = _go_list(groups) if groups else "[]string(nil)"
    return f'&user.DefaultInfo{{Name:"", UID:{quoted(uid)}, Groups:{named}, Extra:map[string][]string{shown}}}'


def _go_list(values: Iterable[str]) -> str:
    return f"[]string{{{', '.join(map(quoted, values))}}}"


def _account(name: str) -> tuple[str, str] | None:
    """Namespace and name of the ServiceAccount whose user this is; None for anybody else's, malformed ones included."""
    parts = name.removeprefix(ACCOUNT).split(":")
    if not name.startswith(ACCOUNT) or len(parts) != 2:
        return None
    namespace, account = parts
    if names.dns1123_label(namespace) or names.dns1123_subdomain(account):
        return None
    return namespace, account


def _wanted(name: str, groups: list[str], extra: dict[str, tuple[str, ...]], uid: str) -> list[Action]:
    """What the requester must be allowed, one by one."""
    if account := _account(name):
        wanted = [Action("impersonate", "", "serviceaccounts", "", *account)]
    else:
        wanted = [Action("impersonate", "", "users", "", "", name)]
    wanted += [Action("impersonate", "", "groups", "", "", group) for group in groups]
    wanted += [
        Action("impersonate", AUTHENTICATION, "userextras", key, "", value)
        for key, values in extra.items()
        for value in values
    ]
    if uid:
        wanted.append(Action("impersonate", AUTHENTICATION, "uids", "", "", uid))
    return wanted


def _groups(name: str, groups: list[str]) -> tuple[str, ...]:
    found = list(groups)
    if not found and (account := _account(name)):
        found = ["system:serviceaccounts", f"system:serviceaccounts:{account[0]}"]
    everybody = UNAUTHENTICATED if name == ANONYMOUS.name else AUTHENTICATED
    if everybody not in found:
        found.append(everybody)
    return tuple(found)


def _as_info(action: Action) -> RequestInfo:
    return RequestInfo(
        "", action.verb, True, action.group, "v1", action.namespace, action.resource, action.subresource, action.name
    )
