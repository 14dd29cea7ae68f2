"""Connections to webhooks: kept while they are good, made anew once where they were not, gone with what named them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from integration.apiserver.test_admission_webhooks import CONFIGURATIONS, MAPS, config_map
from integration.apiserver.webhook_backend import Backend, Exchange, allow, backend
from longboat.aio.http.kept import MOST
from longboat.machinery.objects import Object
from oracle.webhook import answer
from unit.apiserver.harness import Api, api_server

PATH = CONFIGURATIONS.format("validating")


def run(scene: Callable[[Api, Backend], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), backend() as webhook, api_server() as api:
            await scene(api, webhook)

    asyncio.run(main())


def hook(webhook: Backend, **more: Any) -> Object:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    return {"name": "h.example.com", "clientConfig": webhook.client(), "rules": [rule], "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "timeoutSeconds": 2, **more}  # fmt: skip


async def configure(api: Api, *hooks: Object) -> Object:
    return await api.make(PATH, {"metadata": {"name": "c"}, "webhooks": list(hooks)})


def test_one_connection_serves_one_after_the_other() -> None:
    async def scene(api: Api, webhook: Backend) -> None:
        await configure(api, hook(webhook))
        for i in range(5):
            await api.make(MAPS, config_map(f"m{i}"))
        assert (webhook.exchanges, webhook.connections) == (5, 1)

    run(scene)


def test_few_are_kept_of_many() -> None:
    async def scene(api: Api, webhook: Backend) -> None:
        gate = asyncio.Event()

        async def together(exchange: Exchange) -> None:
            if webhook.under_way == 40:
                gate.set()
            await gate.wait()
            exchange.allow()

        webhook.behave = together
        await configure(api, hook(webhook))
        await asyncio.gather(*(api.make(MAPS, config_map(f"m{i}")) for i in range(40)))
        await until(lambda: webhook.open == MOST)

    run(scene)


def test_one_that_was_closed_meanwhile_is_made_anew_once() -> None:
    async def scene(api: Api, webhook: Backend) -> None:
        await configure(api, hook(webhook))
        await api.make(MAPS, config_map("first"))
        seen = 0

        async def without_a_word(exchange: Exchange) -> None:
            nonlocal seen
            seen += 1
            exchange.cut() if seen == 1 else exchange.allow()

        webhook.behave = without_a_word
        await api.make(MAPS, config_map("second"))
        assert (seen, webhook.connections) == (2, 2)

        async def never(exchange: Exchange) -> None:
            nonlocal seen
            seen += 1
            exchange.cut()

        webhook.behave, seen = never, 0
        assert (await api.ask("POST", MAPS, config_map("third")))[0] == 500
        assert seen == 2  # on the one that was kept, and on a new one

    run(scene)


def test_what_has_begun_to_answer_is_not_asked_again() -> None:
    async def scene(api: Api, webhook: Backend) -> None:
        await configure(api, hook(webhook))
        await api.make(MAPS, config_map("first"))

        async def half(exchange: Exchange) -> None:
            exchange.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
            await exchange.writer.drain()
            exchange.cut()

        webhook.behave = half
        assert (await api.ask("POST", MAPS, config_map("second")))[0] == 500
        assert webhook.exchanges == 2
        webhook.behave = allow
        await api.make(MAPS, config_map("third"))
        assert webhook.connections == 2

    run(scene)


def test_who_says_close_is_believed() -> None:
    async def scene(api: Api, webhook: Backend) -> None:
        async def closing(exchange: Exchange) -> None:
            exchange.say(json.dumps(answer({}, exchange.review)).encode(), connection="close")

        webhook.behave = closing
        await configure(api, hook(webhook))
        for i in range(2):
            await api.make(MAPS, config_map(f"m{i}"))
        await until(lambda: webhook.open == 0)
        assert webhook.connections == 2

    run(scene)


def test_none_outlives_its_configuration() -> None:
    async def scene(api: Api, webhook: Backend) -> None:
        made = await configure(api, hook(webhook))
        await api.make(MAPS, config_map("first"))
        made["webhooks"][0]["timeoutSeconds"] = 3
        assert (await api.ask("PUT", f"{PATH}/c", made))[0] == 200
        await api.make(MAPS, config_map("second"))
        await until(lambda: webhook.open == 1)
        assert webhook.connections == 2
        await api.ask("DELETE", f"{PATH}/c")
        await api.make(MAPS, config_map("third"))
        await until(lambda: webhook.open == 0)

    run(scene)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
