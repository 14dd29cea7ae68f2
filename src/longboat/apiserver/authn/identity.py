"""Authentication: the first authenticator that knows the credential says who is asking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from longboat.apiserver.request import Filter, Handler, Request, Response, User
from longboat.machinery.errors import StatusError, unauthorized

AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
ANONYMOUS = User("system:anonymous", (UNAUTHENTICATED,))

Authenticator = Callable[[Request], Awaitable[User | None]]
"""None where the request carries no credential of this kind. Raises Rejected for one that is not good."""


class Rejected(Exception):
    """A credential was given and is not good. The reason is for the log, never for the client."""


def authenticate(authenticators: Sequence[Authenticator]) -> Filter:
    """Who a request is from. One without any credential is anonymous; one with a bad one is refused with 401."""

    async def identify(request: Request, inner: Handler) -> Response:
        if request.user is None:
            request.user = await _who(request, authenticators)
        return await inner(request)

    return identify


async def _who(request: Request, authenticators: Sequence[Authenticator]) -> User:
    rejected = False
    for authenticator in authenticators:
        try:
            user = await authenticator(request)
        except Rejected:
            rejected = True
            continue
        if user is not None:
            return user
    if rejected:
        raise _refusal()
    return ANONYMOUS


def _refusal() -> StatusError:
    return unauthorized()


def known(
    name: str, groups: Sequence[str] = (), uid: str = "", extra: dict[str, tuple[str, ...]] | None = None
) -> User:
    """An authenticated user: system:authenticated is among the groups."""
    return User(name, (*(g for g in groups if g != AUTHENTICATED), AUTHENTICATED), uid, extra or {})
