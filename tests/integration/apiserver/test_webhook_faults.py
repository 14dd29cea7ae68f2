"""Webhooks that misbehave: only what they are asked about waits, bounded in number; their failurePolicy holds to the
letter; nothing of it stays behind."""

from __future__ import annotations

import asyncio
import gc
import os
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from integration.apiserver.test_admission_webhooks import CONFIGURATIONS, MAPS, config_map
from integration.apiserver.webhook_backend import Backend, Exchange, allow, backend
from longboat.aio.http.kept import MOST
from longboat.apiserver.admission.webhooks import hooks
from longboat.machinery.objects import Object
from unit.apiserver.harness import Api, api_server

SECRETS, ACCOUNTS = MAPS.replace("configmaps", "secrets"), MAPS.replace("configmaps", "serviceaccounts")
AT_ONCE = 8


Scene = Callable[[Api, Backend], Awaitable[None]]


def run(*scenes: Scene) -> None:
    """All at once, each with a server and a webhook of its own: most of their time is waiting."""

    async def main() -> None:
        async with asyncio.timeout(60), AsyncExitStack() as stack:
            for scene in scenes:
                webhook = await stack.enter_async_context(backend())
                ready.append((scene, await stack.enter_async_context(api_server()), webhook))
            await asyncio.gather(*(scene(api, webhook) for scene, api, webhook in ready))

    ready: list[tuple[Scene, Api, Backend]] = []
    asyncio.run(main())


def hook(webhook: Backend, resource: str, policy: str) -> Object:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource]}
    return {"name": f"{resource}.example.com", "clientConfig": webhook.client(), "rules": [rule],
            "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 1,
            "failurePolicy": policy}  # fmt: skip


async def configure(api: Api, webhook: Backend, which: str = "validating") -> None:
    """One that guards ConfigMaps, and one that Secrets pass without."""
    both = [hook(webhook, "configmaps", "Fail"), hook(webhook, "secrets", "Ignore")]
    await api.make(CONFIGURATIONS.format(which), {"metadata": {"name": "c"}, "webhooks": both})


async def hangs(exchange: Exchange) -> None:
    await exchange.reader.read(1)  # until who asks has gone


async def garbage(exchange: Exchange) -> None:
    exchange.say(b"\x00\xff no json")


async def no_http(exchange: Exchange) -> None:
    exchange.writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")


async def endless_head(exchange: Exchange) -> None:
    exchange.writer.write(b"HTTP/1.1 200 OK\r\n" + b"x-filler: y\r\n" * 20_000)


async def huge(exchange: Exchange) -> None:
    exchange.say(b'"' + b"x" * (5 << 20) + b'"')


async def redirects(exchange: Exchange) -> None:
    exchange.say(b"", 307, location=f"https://127.0.0.1:{exchange.backend.port}/elsewhere")


async def wrong_uid(exchange: Exchange) -> None:
    exchange.allow(uid="somebody-elses")


async def half(exchange: Exchange) -> None:
    exchange.writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"response": {"allowed": true')
    await exchange.writer.drain()
    exchange.cut()


async def silent_end(exchange: Exchange) -> None:
    exchange.cut()


async def drips(exchange: Exchange) -> None:
    """Never silent, never done."""
    exchange.writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    for _ in range(30):
        exchange.writer.write(b"1\r\n \r\n")
        await asyncio.sleep(0.1)


FAULTS = [hangs, garbage, no_http, endless_head, huge, redirects, wrong_uid, half, silent_end, drips]


def test_a_fault_stops_what_it_guards_and_nothing_else() -> None:
    async def scene(which: str, api: Api, webhook: Backend) -> None:
        await configure(api, webhook, which)
        for fault in FAULTS if which == "validating" else (hangs, garbage, half):
            webhook.behave, name = fault, fault.__name__.replace("_", "-")
            guarded = [api.ask("POST", MAPS, config_map(f"{name}-{i}")) for i in range(AT_ONCE)]
            free = [api.ask("POST", SECRETS, {"metadata": {"name": f"{name}-{i}"}}) for i in range(AT_ONCE)]
            waiting = asyncio.gather(*guarded, *free)
            await asyncio.sleep(0)
            start = time.monotonic()
            await api.make(ACCOUNTS, {"metadata": {"name": name}})  # nobody is asked about it
            assert time.monotonic() - start < 0.5, name
            answers = await waiting
            assert time.monotonic() - start < 2.5, name
            for code, status in answers[:AT_ONCE]:
                assert (code, status["reason"]) == (500, "InternalError"), name
                assert status["message"].startswith(
                    'Internal error occurred: failed calling webhook "configmaps.example.com"'
                ), name
            assert {code for code, _ in answers[AT_ONCE:]} == {201}, name
            assert webhook.most <= 2 * AT_ONCE
        webhook.behave = allow
        assert (await api.ask("POST", MAPS, config_map("well-again")))[0] == 201

    run(partial(scene, "validating"), partial(scene, "mutating"))


def test_faults_leave_no_memory_behind() -> None:
    """What is allocated after more of each is what was allocated before."""

    async def scene(api: Api, webhook: Backend) -> None:
        await configure(api, webhook)

        async def rounds(count: int) -> int:
            for _ in range(count):
                for fault in (garbage, no_http, endless_head, huge, redirects, wrong_uid, half, silent_end):
                    webhook.behave = fault
                    answers = await asyncio.gather(*(api.ask("POST", MAPS, config_map()) for _ in range(2)))
                    assert {code for code, _ in answers} == {500}
            await asyncio.sleep(0.1)
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        await rounds(1)
        tracemalloc.start()
        try:
            first = await rounds(1)
            grown = await rounds(2) - first
        finally:
            tracemalloc.stop()
        assert grown < 100_000, "32 answers, of which four had 5 MiB"

    run(scene)


def test_a_redirect_leads_nowhere() -> None:
    async def scene(api: Api, webhook: Backend) -> None:
        paths = []

        async def remembers(exchange: Exchange) -> None:
            paths.append(exchange.path)
            await redirects(exchange)

        webhook.behave = remembers
        await configure(api, webhook)
        await api.ask("POST", MAPS, config_map())
        assert paths == ["/?timeout=1s"]

    run(scene)


def test_of_those_that_hang_only_so_many_are_asked_at_once() -> None:
    async def scene(api: Api, webhook: Backend) -> None:
        webhook.behave = hangs
        await configure(api, webhook)
        names = [config_map(f"m{i}") for i in range(hooks.AT_ONCE + 50)]
        answers = await asyncio.gather(*(api.ask("POST", MAPS, each) for each in names))
        assert {code for code, _ in answers} == {500}
        assert webhook.most <= hooks.AT_ONCE

    run(scene)


def test_one_that_flaps_under_load() -> None:
    """Up to 500 writes a second for two seconds, while it is killed and comes back four times."""

    async def scene(api: Api, webhook: Backend) -> None:
        allowed: set[str] = set()

        async def remembers(exchange: Exchange) -> None:
            allowed.add(exchange.review["request"]["name"])
            exchange.allow()

        async def flapping() -> None:
            for _ in range(4):
                await asyncio.sleep(0.25)
                await webhook.fall()
                await asyncio.sleep(0.25)
                await webhook.start()

        async def late(i: int) -> None:
            start = time.monotonic()
            await api.make(ACCOUNTS, {"metadata": {"name": f"free-{i}"}})
            waits.append(time.monotonic() - start)

        webhook.behave = remembers
        await configure(api, webhook)
        await api.make(MAPS, config_map("first"))
        await asyncio.sleep(0.1)
        before, waits = held(), list[float]()
        sent, opened, free = list[asyncio.Task[Any]](), list[asyncio.Task[Any]](), list[asyncio.Task[None]]()
        flaps = asyncio.create_task(flapping())
        names = [f"guarded-{i}" for i in range(400)]
        for i in range(200):
            sent += [asyncio.create_task(api.ask("POST", MAPS, config_map(name))) for name in names[2 * i : 2 * i + 2]]
            opened.append(asyncio.create_task(api.ask("POST", SECRETS, {"metadata": {"name": f"open-{i}"}})))
            free += [asyncio.create_task(late(2 * i + j)) for j in range(2)]
            await asyncio.sleep(0.01)
        await asyncio.gather(flaps, *free)
        guarded = dict(zip(names, [code for code, _ in await asyncio.gather(*sent)], strict=True))
        assert set(guarded.values()) == {201, 500}
        # None has passed that nobody was asked about.
        assert {name for name, code in guarded.items() if code == 201} <= allowed
        assert {code for code, _ in await asyncio.gather(*opened)} == {201}
        assert sorted(waits)[380] < 0.2
        assert (await api.ask("POST", MAPS, config_map("last")))[0] == 201
        await asyncio.sleep(0.2)
        tasks, files = held()
        # Connections to the webhook that are kept have two ends here, and each that waits has its task at the other.
        assert tasks <= before[0] + 2 * MOST + 3
        assert files <= before[1] + 4 * MOST

    run(scene)


def held() -> tuple[int, int]:
    """Tasks and open files of this process."""
    gc.collect()
    return len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))
