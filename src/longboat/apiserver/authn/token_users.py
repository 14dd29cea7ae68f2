"""Whose a token is, whoever of this server knows it: what a TokenReview asks."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from longboat.apiserver.authn.identity import Authenticator, Refused, Rejected, Unknown
from longboat.apiserver.authn.serviceaccounts import ServiceAccountTokens
from longboat.apiserver.request import Request
from longboat.machinery.user import User


class TokenUsers:
    """`tokens` are those of ServiceAccounts, which say for whom they are meant. The `others`' are meant for the API
    server, by its `audiences`: an audience that is not among them is no business of theirs."""

    def __init__(
        self, tokens: ServiceAccountTokens | None, others: Sequence[Authenticator], audiences: Collection[str]
    ) -> None:
        self._tokens, self._others, self._audiences = tokens, others, audiences

    async def user(self, token: str, request: Request, audiences: Collection[str] = ()) -> tuple[User, list[str]]:
        """The user, and for whom the token is meant. `request` is the one that asks. Raises Rejected."""
        refused: Rejected = Unknown("no such token")
        here = [audience for audience in audiences or self._audiences if audience in self._audiences]
        if here or not audiences:
            bearing = _bearing(token)
            for knows in self._others:
                try:
                    user = await knows(bearing)
                except Refused as error:
                    refused = error
                    continue
                except Rejected:  # the others' reasons are their own: upstream's have none
                    continue
                if user is not None:
                    return user, here
        if self._tokens is None:
            raise refused
        try:
            return await self._tokens.user(token, request, audiences)
        except Unknown as error:
            raise refused from error


def _bearing(token: str) -> Request:
    """A request that bears this token and nothing else by which it could be known."""

    async def empty(limit: int) -> bytes:
        return b""

    return Request("GET", "/", {}, {"authorization": f"Bearer {token}"}, empty)
