"""Impersonation: somebody with the right to may act as somebody else."""

from __future__ import annotations

from urllib.parse import unquote

from longboat.apiserver.authn.identity import AUTHENTICATED, UNAUTHENTICATED
from longboat.apiserver.authz.authorizer import Action, Authorizer, refused
from longboat.apiserver.request import Filter, Handler, Request, RequestInfo, Response, User
from longboat.machinery.errors import bad_request

EXTRA = "impersonate-extra-"
AUTHENTICATION = "authentication.k8s.io"


def impersonate(authorizer: Authorizer) -> Filter:
    """Raises StatusError 403 where the requester may not, 400 for headers that make no sense."""

    async def act_as(request: Request, inner: Handler) -> Response:
        name = request.headers.get("impersonate-user")
        if name is None:
            _refuse_stray_headers(request)
            return await inner(request)
        requester = request.user
        assert requester is not None
        groups = request.header_values("impersonate-group")
        extra = {
            unquote(header.lower().removeprefix(EXTRA)): tuple(request.header_values(header))
            for header in request.headers
            if header.lower().startswith(EXTRA)
        }
        uid = request.headers.get("impersonate-uid", "")
        for action in _wanted(name, groups, extra, uid):
            allowed, reason = authorizer.decide(requester, action)
            if not allowed:
                raise refused(requester, _as_info(action), reason)
        request.requester = requester
        request.user = User(name, _groups(name, groups), uid, extra)
        return await inner(request)

    return act_as


def _refuse_stray_headers(request: Request) -> None:
    for header in ("impersonate-group", "impersonate-uid"):
        if header in request.headers:
            raise bad_request("requested impersonation without impersonating a user")


def _wanted(name: str, groups: list[str], extra: dict[str, tuple[str, ...]], uid: str) -> list[Action]:
    """What the requester must be allowed, one by one."""
    if name.startswith("system:serviceaccount:") and name.count(":") == 3:
        _, _, namespace, account = name.split(":")
        wanted = [Action("impersonate", "", "serviceaccounts", "", namespace, account)]
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
    if not found and name.startswith("system:serviceaccount:") and name.count(":") == 3:
        found = ["system:serviceaccounts", f"system:serviceaccounts:{name.split(':')[2]}"]
    if name != "system:anonymous" and AUTHENTICATED not in found and UNAUTHENTICATED not in found:
        found.append(AUTHENTICATED)
    return tuple(found)


def _as_info(action: Action) -> RequestInfo:
    return RequestInfo(
        "", action.verb, True, action.group, "v1", action.namespace, action.resource, action.subresource, action.name
    )
