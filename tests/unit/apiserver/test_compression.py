"""gzip: of what is large, for whom it is asked, beside the loop."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from tests.unit.apiserver.harness import Api, play

from longboat.aio.bench import Bench, Seat
from longboat.aio.clock import SystemClock
from longboat.aio.usage import Usage
from longboat.apiserver.compression import LARGE, SLICE, compress
from longboat.apiserver.request import Request, Response

MAPS = "/api/v1/namespaces/default/configmaps"


def test_large_lists_are_compressed_for_those_who_ask() -> None:
    async def scene(api: Api) -> None:
        assert "Content-Encoding" not in (await api.response("GET", MAPS, accept_encoding="gzip")).headers
        for i in range(2):
            await api.make(MAPS, {"metadata": {"name": f"m{i}"}, "data": {"x": "x" * (LARGE // 2)}})
        plain = await api.response("GET", MAPS)
        assert not {"Content-Encoding", "Vary"} & plain.headers.keys()
        for asked in ("gzip", "deflate, gzip", "br,gzip , identity"):
            packed = await api.response("GET", MAPS, accept_encoding=asked)
            assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == ("gzip", "Accept-Encoding")
            assert gzip.decompress(packed.whole()) == plain.whole() and len(packed.whole()) < len(plain.whole()) // 10
        for asked in ("identity", "gzip;q=1", "x-gzip", "*"):
            assert (await api.response("GET", MAPS, accept_encoding=asked)).whole() == plain.whole()
        watching = await api.response("GET", f"{MAPS}?watch=1&timeoutSeconds=1", accept_encoding="gzip")
        assert "Content-Encoding" not in watching.headers and watching.stream is not None
        watching.end()

    play(scene)


def test_what_several_are_sent_is_compressed_once() -> None:
    async def scene(api: Api) -> None:
        for i in range(2):
            await api.make(MAPS, {"metadata": {"name": f"m{i}"}, "data": {"x": "x" * (LARGE // 2)}})
        first, second = [await api.response("GET", MAPS, accept_encoding="gzip") for _ in range(2)]
        assert first.tail.pieces[0] is second.tail.pieces[0]
        assert gzip.decompress(second.whole()) == (await api.response("GET", MAPS)).whole()

    play(scene)


@pytest.mark.parametrize("vary", ["", "Accept"])
def test_the_loop_runs_on_meanwhile(vary: str) -> None:
    async def read_body(limit: int) -> bytes:
        return b""

    async def main() -> None:
        turns, done = 0, False

        async def others() -> None:
            nonlocal turns
            while not done:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(others())
        request = Request("GET", "/", {}, {"accept-encoding": "gzip"}, read_body)
        request.seat = Seat(Bench(SystemClock()), Usage("somebody"))
        body = b"abcdefgh" * (SLICE // 2)
        response = Response(200, body, headers={"Vary": vary} if vary else {})
        await compress(request, response)
        done = True
        await task
        request.seat.leave()
        assert turns >= len(body) // SLICE
        assert gzip.decompress(response.whole()) == body
        assert response.headers["Vary"] == ("Accept, Accept-Encoding" if vary else "Accept-Encoding")

    asyncio.run(main())
