"""Tokens that are shown at a node's port: reviewed by the API server, believed for a while."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from longboat.aio.clock import VirtualClock
from longboat.machinery.errors import StatusError
from longboat.node.serve.http import Caller
from longboat.node.serve.tokens import AT_ONCE, KNOWN_FOR, LONGEST, Tokens
from unit.apiserver.harness import Api, play


class Asked:
    """The API server's TokenReview, counted."""

    def __init__(self, api: Api | None) -> None:
        self.api, self.times, self.at_once, self.most = api, 0, 0, 0

    async def create(self, kind: Any, obj: Any, **_: Any) -> bytes:
        self.times, self.at_once = self.times + 1, self.at_once + 1
        self.most = max(self.most, self.at_once)
        try:
            await asyncio.sleep(0)
            if self.api is None:
                raise StatusError(503, "ServiceUnavailable", "not now")
            response = await self.api.response("POST", "/apis/authentication.k8s.io/v1/tokenreviews", obj)
            return response.whole()
        finally:
            self.at_once -= 1


def test_a_token_is_its_accounts_and_asked_about_now_and_then(tmp_path: Any) -> None:
    from longboat.apiserver.pki import Pki

    async def scene(api: Api) -> None:
        await api.make("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "reader"}})
        path = "/api/v1/namespaces/default/serviceaccounts/reader/token"
        token = (await api.make(path, {"spec": {"audiences": []}}))["status"]["token"]
        asked, clock = Asked(api), VirtualClock()
        tokens = Tokens(asked, clock)  # type: ignore[arg-type]
        groups = ("system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated")
        for _ in range(3):
            assert await tokens(token) == Caller("system:serviceaccount:default:reader", groups)
        assert asked.times == 1
        await clock.advance(KNOWN_FOR + 1)
        await api.ask("DELETE", "/api/v1/namespaces/default/serviceaccounts/reader")
        assert await tokens(token) is None and asked.times == 2
        for bad in ("", "x", token[:-3]):
            assert await tokens(bad) is None
        before = asked.times
        assert await tokens("x" * (LONGEST + 1)) is None and asked.times == before

    play(scene, service_account_key=Pki(tmp_path, VirtualClock()).service_account_key)


def test_while_nobody_can_say_it_is_nobodys_and_floods_wait() -> None:
    async def main() -> None:
        asked = Asked(None)
        tokens = Tokens(asked, VirtualClock())  # type: ignore[arg-type]
        assert await asyncio.gather(*(tokens(str(i)) for i in range(100))) == [None] * 100
        assert asked.most == AT_ONCE

    asyncio.run(main())


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"status": {"authenticated": true, "user": {}}}'])
def test_an_answer_that_names_nobody_is_nobodys(body: bytes) -> None:
    class Says:
        async def create(self, *_: Any, **__: Any) -> bytes:
            return body

    assert asyncio.run(Tokens(Says(), VirtualClock())("t")) is None  # type: ignore[arg-type]
