"""The HTTPS transport against a real server: certificates, tokens, errors, long lines, and what breaks off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.aio.clock import SystemClock, VirtualClock
from longboat.aio.http.server import Server
from longboat.apiserver.pki import Pki
from longboat.apiserver.request import Request, Response
from longboat.apiserver.serving import tls
from longboat.client.https import CONNECTIONS, HttpsTransport, lines
from longboat.client.kubeconfig import BadKubeconfig, load
from longboat.client.rest import RestClient
from longboat.machinery.errors import StatusError

Answer = Callable[[Request], Awaitable[Response]]


async def serve(folder: Path, answer: Answer, scene: Callable[[Path], Awaitable[None]]) -> None:
    pki = Pki(folder / "pki", SystemClock())
    serving = pki.serving({"127.0.0.1", "api.example"})
    server = Server(Request.received, answer, tls(serving, (pki.ca.pair.certificate,)))
    port = await server.listen("127.0.0.1", 0)
    client = pki.client("me", "me", ("people",))
    try:
        await scene(
            kubeconfig(
                folder,
                {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(pki.ca.pair.certificate)},
                {"client-certificate": str(client.certificate), "client-key": str(client.key)},
            )
        )
    finally:
        await server.close()


def kubeconfig(folder: Path, cluster: dict[str, object], user: dict[str, object]) -> Path:
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }
    file = folder / "kubeconfig"
    file.write_bytes(msgspec.json.encode(config))
    return file


def test_a_request_goes_there_and_back(tmp_path: Path) -> None:
    async def answer(request: Request) -> Response:
        body = await request.read_body(1000)
        told = [request.method, request.path, request.query, request.headers["content-type"], body.decode()]
        return Response(200, msgspec.json.encode(told))

    async def scene(file: Path) -> None:
        transport = HttpsTransport(load(file))
        found = await transport.request("POST", "/api/v1/x%20y", query={"a": "b c&d"}, body=b"{}")
        assert msgspec.json.decode(found) == ["POST", "/api/v1/x y", {"a": ["b c&d"]}, "application/json", "{}"]
        await transport.close()

    asyncio.run(serve(tmp_path, answer, scene))


def test_errors_are_statuses_and_retry_after_counts(tmp_path: Path) -> None:
    asked = 0

    async def answer(request: Request) -> Response:
        nonlocal asked
        asked += 1
        if request.path == "/busy" and asked < 3:
            return Response(503, b"wait", content_type="text/plain", headers={"Retry-After": "7"})
        return Response(404, msgspec.json.encode(StatusError(404, "NotFound", "no such thing").status()))

    async def scene(file: Path) -> None:
        clock = VirtualClock()
        transport = HttpsTransport(load(file))
        asking = asyncio.create_task(RestClient(transport, clock).get_path("/busy"))
        while not asking.done():
            await asyncio.sleep(0.01)
            await clock.advance(1)
        error = asking.exception()
        assert isinstance(error, StatusError) and (error.reason, error.message) == ("NotFound", "no such thing")
        assert asked == 3 and clock.monotonic() >= 14
        await transport.close()

    asyncio.run(serve(tmp_path, answer, scene))


def test_a_watch_comes_line_by_line_and_its_breaking_off_is_told(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"a":1}\n{"b"'
        yield b":2}\n" + b"x" * 3_000_000
        yield b"y\n"
        raise ConnectionResetError("the server has had enough")

    async def answer(request: Request) -> Response:
        return Response(200, stream=chunks())

    async def scene(file: Path) -> None:
        transport = HttpsTransport(load(file))
        found = []
        with pytest.raises(ConnectionError):
            async for line in transport.stream("/watch"):
                found.append(line)
        assert found == [b'{"a":1}', b'{"b":2}', b"x" * 3_000_000 + b"y"]
        await transport.close()

    asyncio.run(serve(tmp_path, answer, scene))


def test_only_so_many_requests_at_a_time_and_watches_beside_them(tmp_path: Path) -> None:
    running = most = 0

    async def silence() -> AsyncIterator[bytes]:
        yield b"on\n"
        await asyncio.Event().wait()

    async def answer(request: Request) -> Response:
        nonlocal running, most
        if request.path == "/watch":
            return Response(200, stream=silence())
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return Response(200, b"{}")

    async def scene(file: Path) -> None:
        transport = HttpsTransport(load(file))
        watches = [transport.stream("/watch") for _ in range(3)]
        assert [await anext(watch) for watch in watches] == [b"on"] * 3
        await asyncio.gather(*(transport.request("GET", "/") for _ in range(CONNECTIONS + 20)))
        assert most == CONNECTIONS
        for watch in watches:
            await watch.aclose()  # type: ignore[attr-defined]
        await transport.close()

    asyncio.run(serve(tmp_path, answer, scene))


def test_a_token_is_read_again_from_its_file(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("one\n")
    accepted = "Bearer one"

    async def answer(request: Request) -> Response:
        given = request.headers.get("authorization", "")
        return Response(200 if given == accepted else 401, given.encode())

    async def scene(file: Path) -> None:
        nonlocal accepted
        cluster = msgspec.json.decode(file.read_bytes())["clusters"][0]["cluster"]
        clock = VirtualClock()
        transport = HttpsTransport(load(kubeconfig(tmp_path, cluster, {"tokenFile": "token"})), clock=clock)
        assert await transport.request("GET", "/") == b"Bearer one"
        token.write_text("two")
        assert await transport.request("GET", "/") == b"Bearer one"
        await clock.advance(61)
        accepted = "Bearer two"
        assert await transport.request("GET", "/") == b"Bearer two"
        token.unlink()
        await clock.advance(61)
        assert await transport.request("GET", "/") == b"Bearer two"
        token.write_text("three")
        accepted = "Bearer three"
        with pytest.raises(StatusError):
            await transport.request("GET", "/")
        assert await transport.request("GET", "/") == b"Bearer three", "after a 401 the file is read at once"
        await transport.close()

    asyncio.run(serve(tmp_path, answer, scene))


def test_the_servers_certificate_must_fit_the_name(tmp_path: Path) -> None:
    async def answer(request: Request) -> Response:
        return Response(200, b"hi")

    async def scene(file: Path) -> None:
        config = msgspec.json.decode(file.read_bytes())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        for more, fine in (
            ({"tls-server-name": "api.example"}, True),
            ({"tls-server-name": "other.example"}, False),
            ({"tls-server-name": "other.example", "insecure-skip-tls-verify": True}, True),
        ):
            transport = HttpsTransport(load(kubeconfig(tmp_path, cluster | more, user)))
            if fine:
                assert await transport.request("GET", "/") == b"hi"
            else:
                with pytest.raises(ConnectionError, match="certificate"):
                    await transport.request("GET", "/")
            await transport.close()

    asyncio.run(serve(tmp_path, answer, scene))


@given(st.lists(st.binary(max_size=5), max_size=8), st.data())
def test_lines_do_not_depend_on_how_chunks_fall(parts: list[bytes], data: st.DataObject) -> None:
    whole = [part.replace(b"\n", b"") for part in parts]
    text = b"".join(part + b"\n" for part in whole)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))

    async def chunks() -> AsyncIterator[bytes]:
        for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
            if start < end:
                yield text[start:end]

    async def main() -> list[bytes]:
        return [line async for line in lines(chunks())]

    assert asyncio.run(main()) == whole


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("}{", "not YAML"),
        ("[]", "current-context is missing"),
        ("current-context: c", "there is no context 'c'"),
        ("{current-context: c, contexts: [{name: c, context: {cluster: k}}]}", "there is no cluster 'k'"),
        (
            "{current-context: c, contexts: [{name: c, context: {cluster: k, user: u}}],"
            " clusters: [{name: k, cluster: {server: 's'}}], users: [{name: u, user: {exec: {command: x}}}]}",
            "authenticates by exec",
        ),
        (
            "{current-context: c, contexts: [{name: c, context: {cluster: k, user: u}}],"
            " clusters: [{name: k, cluster: {certificate-authority-data: '???'}}], users: [{name: u, user: {}}]}",
            "kubeconfig: ",
        ),
    ],
)
def test_a_bad_kubeconfig_is_told_from_a_good_one(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "kubeconfig").write_text(text)
    with pytest.raises(BadKubeconfig, match=says):
        load(tmp_path / "kubeconfig")
