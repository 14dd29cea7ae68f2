"""What is noted on every request."""

from __future__ import annotations

import asyncio
import uuid

from longboat.apiserver.filters.requests import request_id
from longboat.apiserver.request import Request, Response


async def nothing() -> bytes:
    return b""


def numbered(**headers: str) -> str:
    async def answer(request: Request) -> Response:
        return Response()

    asked = Request("GET", "/", {}, headers, lambda most: nothing())
    return asyncio.run(request_id(asked, answer)).headers["Audit-Id"]  # type: ignore[arg-type]


def test_each_has_a_random_uuid_of_its_own() -> None:
    found = [numbered() for _ in range(200)]
    assert len(set(found)) == len(found)
    for each in found:
        read = uuid.UUID(each)
        assert (str(read), read.version, read.variant) == (each, 4, uuid.RFC_4122)


def test_what_the_client_says_is_taken_up_to_a_length() -> None:
    assert numbered(**{"audit-id": "mine"}) == "mine"
    assert numbered(**{"audit-id": "x" * 100}) == "x" * 64
