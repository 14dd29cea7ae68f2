"""Connections to extension servers: which are used again, which never, and what is taken over by another protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from extension.near import NAME, SERVICES, Extension, another, beside, condition, until
from extension.wardle import BASE, GROUP, VERSION
from integration.apiserver.test_aggregation import FLUNDERS, flunder, listening
from longboat.aio.http.kept import MOST
from longboat.machinery.streams.spdy import Codec, Data, Opened, Pinged, Replied
from unit.apiserver.harness import Api, play

MERGE = "application/merge-patch+json"
Scene = Callable[[Api, Extension], Awaitable[None]]


@pytest.fixture
def well(tmp_path: Path) -> Callable[[Scene], None]:
    """Run a scene with an extension server of which everything has been asked that we ask by ourselves."""

    def run(scene: Scene) -> None:
        async def main(api: Api) -> None:
            async with beside(api, tmp_path) as extension:
                await extension.behind_a_service(api)
                await extension.registered(api)

                async def documented() -> bool:
                    return any(each.path == "/openapi/v3" for each in extension.server.seen)

                await until(documented)
                await scene(api, extension)

        play(main)

    return run


def test_one_is_used_again_and_again(well: Any) -> None:
    async def scene(api: Api, extension: Extension) -> None:
        before = extension.dialer.dialled
        await api.make(FLUNDERS, flunder("a"))
        for _ in range(5):
            assert (await api.ask("GET", f"{FLUNDERS}/a"))[0] == 200
            assert (await api.ask("GET", f"{FLUNDERS}/none"))[0] == 404
        assert (await api.ask("DELETE", f"{FLUNDERS}/a"))[0] == 200
        assert extension.dialer.dialled == before + 1
        many = await asyncio.gather(*(api.ask("GET", FLUNDERS) for _ in range(30)))
        assert [code for code, _ in many] == [200] * 30
        kept = api.server.aggregator._watched[NAME].backend._kept
        assert len(kept) == MOST
        # What it closes is not asked over, and nobody notices.
        await extension.break_off()
        assert (await api.ask("GET", FLUNDERS))[0] == 200
        assert (await api.ask("POST", FLUNDERS, flunder("b")))[0] == 201

    well(scene)


def test_one_that_is_closed_as_the_question_comes_is_asked_anew_what_may_be_asked_twice(tmp_path: Path) -> None:
    """It answers the first request of each connection, and closes it when the second comes."""
    asked: list[bytes] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for count in range(2):
            head = await reader.readuntil(b"\r\n\r\n")
            asked.append(head.split(b" HTTP")[0])
            if b"chunked" in head:
                await reader.readuntil(b"0\r\n\r\n")
            if count == 0:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}")
        writer.close()

    async def scene(api: Api) -> None:
        async with another(api, tmp_path, speaking(speak)) as extension:
            await extension.behind_a_service(api)
            await extension.registered(api)
            del asked[:]
            assert [(await api.ask("GET", FLUNDERS))[0] for _ in range(3)] == [200] * 3
            mine = [each for each in asked if each.endswith(b"flunders")]
            assert len(mine) == 5  # the second and third were said twice
            code, text = await api.ask("DELETE", f"{FLUNDERS}/a")
            assert (code, text) == (
                503,
                "error trying to reach service: the connection was closed before an answer came\n",
            )
            assert len([each for each in asked if each.startswith(b"DELETE")]) == 1

    play(scene)


def test_one_is_never_used_again_after_an_upgrade_or_half_an_answer(well: Any) -> None:
    async def scene(api: Api, extension: Extension) -> None:
        kept = api.server.aggregator._watched[NAME].backend._kept
        response = await api.response("GET", f"{FLUNDERS}?watch=true")
        await api.make(FLUNDERS, flunder("a"))
        assert response.stream is not None
        async with asyncio.timeout(5):
            await anext(response.stream)
        await response.stream.aclose()  # type: ignore[attr-defined]
        response.end()
        assert len(kept) == 1  # the one that made it
        async with listening(api) as url, aiohttp.ClientSession() as session:
            before = extension.dialer.dialled
            async with session.ws_connect(f"{url}{FLUNDERS}/a/echo", protocols=("v5.channel.k8s.io",)) as socket:
                await socket.send_bytes(b"hello")
                assert await socket.receive_bytes(timeout=5) == b"hello"
            assert extension.dialer.dialled == before + 1 and len(kept) == 1

            async def endless() -> AsyncIterator[bytes]:
                yield b"some"
                await asyncio.sleep(30)

            posting = asyncio.ensure_future(session.post(f"{url}{FLUNDERS}/a/echo", data=endless()))

            async def arrived() -> bool:
                return extension.server.bytes_taken >= 4

            await until(arrived)
            posting.cancel()
            await asyncio.gather(posting, return_exceptions=True)
        assert len(kept) <= 1

    well(scene)


def test_they_end_with_what_they_were_made_with(well: Any) -> None:
    async def scene(api: Api, extension: Extension) -> None:
        watched = api.server.aggregator._watched[NAME]
        for change in (
            lambda: api.ask("PATCH", f"{SERVICES}/{NAME}", {"spec": {"versionPriority": 9}}, content_type=MERGE),
            lambda: renewed(api),
            lambda: api.ask("DELETE", f"{SERVICES}/{NAME}"),
        ):
            assert (await api.ask("GET", FLUNDERS))[0] == 200
            kept = watched.backend._kept
            assert len(kept) == 1
            await change()

            async def closed(kept: Any = kept) -> bool:
                return len(kept) == 0

            await until(closed)

    async def renewed(api: Api) -> None:
        api.server.aggregator.renewed()

    well(scene)


def speaking(speak: Any) -> Callable[[], asyncio.Protocol]:
    """Protocols that answer as a server of streams does: what a client breaks off ends it."""

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await speak(reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    return lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader(), guarded)


def test_spdy_is_passed_on_as_kubectl_speaks_it(tmp_path: Path) -> None:
    """As kubectl of former versions asks: its offer reaches the server, the server's choice comes back, then frames."""
    heads: list[bytes] = []
    listed = b'{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"%s/%s","resources":[]}' % (
        GROUP.encode(), VERSION.encode(),
    )  # fmt: skip

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"SPDY/3.1" not in head:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(listed), listed))
                continue
            heads.append(head)
            if b"/refused " in head:
                writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nno!\n")
                continue
            codec = Codec()
            # Its first frame comes along with its answer.
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
                b"X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n" + codec.encode(Pinged(2))
            )
            while piece := await reader.read(65536):
                for event in codec.feed(piece):
                    if isinstance(event, Opened):
                        writer.write(codec.encode(Replied(event.stream, event.headers)))
                    elif isinstance(event, Data):
                        writer.write(codec.encode(Data(event.stream, event.data.upper(), event.fin)))

    async def asked(url: str, path: str) -> tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"POST {FLUNDERS}/a/{path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
            "X-Stream-Protocol-Version: v4.channel.k8s.io\r\nX-Stream-Protocol-Version: channel.k8s.io\r\n\r\n".encode()
        )
        return await reader.readuntil(b"\r\n\r\n"), reader, writer

    async def scene(api: Api) -> None:
        async with another(api, tmp_path, speaking(speak)) as extension:
            await extension.behind_a_service(api)
            await extension.registered(api)
            async with listening(api) as url, asyncio.timeout(20):
                head, reader, writer = await asked(url, "exec")
                assert head.startswith(b"HTTP/1.1 101 ")
                fields = head.decode().lower().split("\r\n")
                assert {"upgrade: spdy/3.1", "x-stream-protocol-version: v4.channel.k8s.io"} <= set(fields)
                codec, sent = Codec(), b"boat " * 40_000
                writer.write(codec.encode(Opened(1, {"streamtype": "stdin"})) + codec.encode(Data(1, sent, fin=True)))
                found: list[Any] = []
                while not found or not (isinstance(found[-1], Data) and found[-1].fin):
                    found += codec.feed(await reader.read(65536))
                assert found[:2] == [Pinged(2), Replied(1, {"streamtype": "stdin"})]
                assert b"".join(each.data for each in found[2:]) == sent.upper()
                writer.close()
                head, reader, writer = await asked(url, "refused")
                assert head.startswith(b"HTTP/1.1 403 ") and await reader.readexactly(4) == b"no!\n"
                writer.close()
            told = heads[0].decode().lower()
            assert "x-remote-user: admin" in told and told.count("x-stream-protocol-version: ") == 2

    play(scene)


def test_of_one_that_has_only_the_older_openapi_the_newer_is_made(tmp_path: Path) -> None:
    """Said by us, so that it is there while the server is not; and passed on again once it has one itself."""
    path, schema = f"apis/{GROUP}/{VERSION}", "com.example.wardle.v1alpha1.Flunder"

    async def scene(api: Api) -> None:
        async def places() -> Any:
            return (await api.ask("GET", "/openapi/v3"))[1]["paths"]

        async with beside(api, tmp_path) as extension:
            extension.server.older = True
            await extension.behind_a_service(api)
            await extension.registered(api)

            async def listed() -> Any:
                return (await places()).get(path)

            url = (await until(listed))["serverRelativeURL"]
            before = len(extension.server.seen)
            code, found = await api.ask("GET", url)
            assert code == 200 and found["openapi"] == "3.0.0" and found["info"]["title"] == "wardle"
            assert found["components"]["schemas"][schema]["properties"]["metadata"] == {
                "$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
            }
            assert found["paths"][f"{BASE}/namespaces/{{namespace}}/flunders"]["get"]["operationId"] == "listFlunder"
            packed = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf"
            response = await api.response("GET", url, accept=packed)
            assert response.status == 200 and response.content_type.endswith("v3.v1.0+protobuf")
            assert (await api.response("GET", f"{url}0")).status == 301
            assert len(extension.server.seen) == before
            await extension.stop()
            await api.ask("PATCH", f"{SERVICES}/{NAME}", {"spec": {"versionPriority": 9}}, content_type=MERGE)
            await condition(api, NAME, "FailedDiscoveryCheck")
            assert (await api.ask("GET", url))[1] == found
            await api.ask("DELETE", f"{SERVICES}/{NAME}")

            async def gone() -> bool:
                return path not in await places() and (await api.ask("GET", url))[0] == 404

            await until(gone)

    play(scene)
