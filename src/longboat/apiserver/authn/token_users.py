"""Whose a token is, whoever of this server knows it: what a TokenReview asks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from longboat.apiserver.authn.identity import Authenticator, Refused, Rejected, Unknown
from longboat.apiserver.request import Request
from longboat.machinery.user import User


class Aware(Protocol):
    """Knows tokens that say for whom they are meant."""

    async def user(self, token: str, request: Request, audiences: Collection[str] = ()) -> tuple[User, list[str]]:
        """The user, and for whom the token is meant. Raises Rejected."""
        ...


class TokenUsers:
    """`aware` are asked after `others`, whose tokens are meant for the API server, by its `audiences`: an audience that
    is not among them is no business of theirs."""

    def __init__(self, aware: Sequence[Aware], others: Sequence[Authenticator], audiences: Collection[str]) -> None:
        self._aware, self._others, self._audiences = aware, others, audiences

    async def user(self, token: str, request: Request, audiences: Collection[str] = ()) -> tuple[User, list[str]]:
        """The user, and for whom the token is meant. `request` is the one that asks. Raises Rejected."""
        here = [audience for audience in audiences or self._audiences if audience in self._audiences]
        why: list[str] = []
        if here or not audiences:
            bearing = _bearing(token)
            for knows in self._others:
                try:
                    user = await knows(bearing)
                except Refused as error:
                    why.append(str(error))
                    continue
                except Rejected:  # the others' reasons are their own: upstream's have none
                    continue
                if user is not None:
                    return user, here
        for each in self._aware:
            try:
                return await each.user(token, request, audiences)
            except Unknown:
                continue
            except Rejected as error:
                why.append(str(error))
        raise Rejected(", ".join(why)) if why else Unknown("no such token")


def _bearing(token: str) -> Request:
    """A request that bears this token and nothing else by which it could be known."""

    async def empty(limit: int) -> bytes:
        return b""

    return Request("GET", "/", {}, {"authorization": f"Bearer {token}"}, empty)
