"""Authentication: the first authenticator that knows the credential says who is asking."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

from longboat.aio.clock import Clock
from longboat.apiserver.authn.penalty import Penalty
from longboat.apiserver.request import Filter, Handler, Request, Response
from longboat.machinery.errors import unauthorized
from longboat.machinery.user import UNAUTHENTICATED, User

log = logging.getLogger(__name__)

AUTHENTICATED = "system:authenticated"
ANONYMOUS = User("system:anonymous", (UNAUTHENTICATED,))

Authenticator = Callable[[Request], Awaitable[User | None]]
"""None where the request carries no credential of this kind. Raises Rejected for one that is not good."""


class Rejected(Exception):
    """A credential was given and is not good. The reason is for the log, and for who may review tokens; never for the
    client that gave it."""


class Unknown(Rejected):
    """It is nobody's here: not even the reason says more than that."""


class Refused(Rejected):
    """Somebody's, and not good: whoever may review tokens is told why."""


def authenticate(
    authenticators: Sequence[Authenticator], clock: Clock, anonymous: Callable[[Request], bool] = lambda request: True
) -> Filter:
    """Who a request is from. One without any credential is anonymous where it may be; one with a bad one is refused
    with 401."""
    penalty = Penalty(clock)

    async def identify(request: Request, inner: Handler) -> Response:
        if request.user is None:
            request.user = await _who(request, authenticators)
            if request.user is None or (request.user is ANONYMOUS and not anonymous(request)):
                request.user = None
                if wait := penalty.failed(request.remote):
                    await clock.sleep(wait)
                raise unauthorized()
        return await inner(request)

    return identify


async def _who(request: Request, authenticators: Sequence[Authenticator]) -> User | None:
    """None where the only credentials given are bad."""
    why: str | None = None  # in words: this frame and an exception it keeps hold each other, and the whole request
    for authenticator in authenticators:
        try:
            user = await authenticator(request)
        except Rejected as rejected:
            why = str(rejected)
            continue
        if user is not None:
            return user
    if why is not None:
        log.info("a request from %s is refused: %s", request.remote, why)
        return None
    return ANONYMOUS


def known(
    name: str, groups: Sequence[str] = (), uid: str = "", extra: dict[str, tuple[str, ...]] | None = None
) -> User:
    """An authenticated user: system:authenticated is among the groups."""
    return User(name, (*(g for g in groups if g != AUTHENTICATED), AUTHENTICATED), uid, extra or {})
