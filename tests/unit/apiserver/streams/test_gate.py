"""Requests that others answer: counted until the answer is through, given up when nothing comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from longboat.aio.clock import VirtualClock
from longboat.apiserver.authn.identity import known
from longboat.apiserver.request import Request, Response
from longboat.apiserver.streams.gate import SILENT, Gate
from longboat.machinery.errors import StatusError


def request(user: str) -> Request:
    async def no_body(limit: int) -> bytes:
        return b""

    return Request("GET", "/", {}, {}, no_body, user=known(user))


async def streamed(request: Request) -> Response:
    async def stream() -> AsyncIterator[bytes]:
        yield b"x"

    return Response(200, stream=stream())


def play(scene: Callable[[VirtualClock], Awaitable[None]]) -> None:
    async def main() -> None:
        await scene(VirtualClock())

    asyncio.run(asyncio.wait_for(main(), 10))


def test_so_many_of_each_and_of_all_until_their_answers_are_through() -> None:
    async def scene(clock: VirtualClock) -> None:
        gate = Gate(clock, each=2, most=3)
        ask = gate.guard(streamed)
        first, second = await ask(request("a")), await ask(request("a"))
        with pytest.raises(StatusError) as refused:
            await ask(request("a"))
        assert refused.value.code == 429
        await ask(request("b"))
        with pytest.raises(StatusError):
            await ask(request("c"))
        assert dict(gate.under_way) == {"a": 2, "b": 1}
        first.end()
        first.end()  # once is enough
        await ask(request("c"))
        second.end()
        assert dict(gate.under_way) == {"b": 1, "c": 1}

    play(scene)


def test_an_answer_in_one_piece_and_a_refusal_are_through_at_once() -> None:
    async def whole(request: Request) -> Response:
        assert request.for_client_alone
        return Response(200, b"x")

    async def refusing(request: Request) -> Response:
        raise StatusError(500, "InternalError", "no")

    async def scene(clock: VirtualClock) -> None:
        gate = Gate(clock)
        await gate.guard(whole)(request("a"))
        with pytest.raises(StatusError):
            await gate.guard(refusing)(request("a"))
        assert not gate.under_way

    play(scene)


def test_a_backend_that_says_nothing_is_given_up() -> None:
    async def silent(request: Request) -> Response:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def scene(clock: VirtualClock) -> None:
        gate = Gate(clock)
        asking = asyncio.create_task(gate.guard(silent)(request("a")))
        await clock.advance(SILENT - 1)
        assert not asking.done() and gate.under_way["a"] == 1
        await clock.advance(1)
        with pytest.raises(StatusError, match="timeout awaiting response headers") as refused:
            await asking
        assert refused.value.code == 503
        assert not gate.under_way

    play(scene)
