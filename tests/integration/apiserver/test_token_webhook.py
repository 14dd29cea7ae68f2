"""A server outside that knows whose tokens are: what it is told, what is kept, and what it costs that it hangs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from integration.apiserver.test_authorization_webhooks import kubeconfig
from integration.apiserver.test_issuers import who, why
from integration.apiserver.webhook_backend import Backend, Exchange, backend
from longboat.apiserver import remote
from longboat.apiserver.authn import token_webhook
from longboat.apiserver.authn.tokens import static_tokens
from unit.apiserver.harness import Api, api_server

JANE = {"username": "jane", "uid": "7", "groups": ["dev"], "extra": {"a": ["b"]}}
Scene = Callable[[Api, "Oracle"], Awaitable[None]]


class Oracle:
    def __init__(self, server: Backend) -> None:
        self.reviews, self.server = list[Any](), server
        self.status: Any = {"authenticated": True, "user": JANE}
        self.hangs = False
        server.behave = self._behave

    async def _behave(self, exchange: Exchange) -> None:
        self.reviews.append(exchange.review)
        if self.hangs:
            await exchange.reader.read(1)
            return
        exchange.say(json.dumps({**exchange.review, "status": self.status}).encode())


def run(folder: Path, scene: Scene, **settings: Any) -> None:
    (folder / "tokens.csv").write_text("static,joe,1\n")

    async def main() -> None:
        async with asyncio.timeout(60), backend() as server:
            given = token_webhook.Settings(remote.load(Path(kubeconfig(server, folder))), **settings)
            static = static_tokens(folder / "tokens.csv")
            async with api_server(token_webhook=given, authenticators=[static]) as api:
                await scene(api, Oracle(server))

    asyncio.run(main())


def test_it_says_whose_a_token_is(tmp_path: Path) -> None:
    async def scene(api: Api, oracle: Oracle) -> None:
        groups = ["dev", "system:authenticated"]
        assert await who(api, "t") == {**JANE, "groups": groups}
        assert (await who(api, "static"))["username"] == "joe"
        await asyncio.gather(*(who(api, "t") for _ in range(5)))
        (review,) = oracle.reviews  # the second is known here, the others are kept
        assert (review["apiVersion"], review["spec"]["token"]) == ("authentication.k8s.io/v1", "t")
        oracle.status = {"authenticated": False}
        assert await who(api, "u") is None
        assert await why(api, "u") == "invalid bearer token"
        assert len(oracle.reviews) == 2
        oracle.status = {"authenticated": False, "error": "it was stolen"}
        assert await why(api, "v") == "[invalid bearer token, it was stolen]"
        oracle.status = {"authenticated": True, "user": {}}
        assert await who(api, "w") is None

    run(tmp_path, scene, version="v1")


def test_audiences_are_asked_and_told(tmp_path: Path) -> None:
    async def scene(api: Api, oracle: Oracle) -> None:
        async def reviewed(*audiences: str) -> Any:
            review = {"spec": {"token": "t", "audiences": list(audiences)}}
            return (await api.make("/apis/authentication.k8s.io/v1/tokenreviews", review))["status"]

        oracle.status |= {"audiences": ["b", "c"]}
        status = await reviewed("a", "b")
        assert oracle.reviews[0]["spec"]["audiences"] == ["a", "b"]
        assert (status["authenticated"], status["audiences"]) == (True, ["b"])
        assert not (await reviewed("a")).get("authenticated")

    run(tmp_path, scene)


def test_answers_are_kept_for_a_while(tmp_path: Path) -> None:
    async def scene(api: Api, oracle: Oracle) -> None:
        assert await who(api, "t")
        oracle.status = {"authenticated": False}
        assert await who(api, "t")
        await asyncio.sleep(0.35)
        assert await who(api, "t") is None

    run(tmp_path, scene, kept=0.3)


def test_only_tokens_that_nobody_knows_wait_for_one_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_webhook, "SECONDS", 0.5)

    async def scene(api: Api, oracle: Oracle) -> None:
        assert await who(api, "known")
        oracle.hangs = True
        begun = time.monotonic()
        waiting = [asyncio.ensure_future(who(api, "t")) for _ in range(3)]
        await asyncio.sleep(0.05)
        assert await who(api, "static")
        assert await who(api, "known")
        assert (await api.ask("GET", "/healthz", who=None))[0] == 200
        assert not any(each.done() for each in waiting)
        assert await asyncio.gather(*waiting) == [None] * 3
        assert 0.4 < time.monotonic() - begun < 2
        assert len(oracle.reviews) == 2  # one for the three
        assert "context deadline exceeded" in await why(api, "t")
        _, figures = await api.ask("GET", "/metrics")
        assert 'authentication_token_cache_fetch_total{status="error"} 2' in figures
        oracle.hangs = False
        assert await who(api, "t")

    run(tmp_path, scene)
