"""What comes back through the proxy, from a server that really listens."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from longboat.apiserver import requestinfo
from longboat.apiserver.request import Request, Response
from longboat.apiserver.streams.proxy import through, to_root

PROXY = "/api/v1/namespaces/proxy/pods/http:web:80/proxy"
PAGE = b'<a href="/x">x</a>'


def request(method: str, path: str, query: str = "", **headers: str) -> Request:
    async def no_body(limit: int) -> bytes:
        return b""

    info = requestinfo.parse(method, path, {})
    return Request(method, path, {}, headers, no_body, "192.0.2.1", info=info, raw_query=query)


async def ask(asked: Request, said: bytes) -> tuple[Response, bytes, bytes]:
    """The answer, its body, and what the backend was asked, given that it says just that."""
    heard = b""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard = await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        response = await through(asked, await asyncio.open_connection(host, port), f"{host}:{port}", b"")
        assert response.stream is not None
        body = b"".join([chunk async for chunk in response.stream])
    return response, body, heard


def test_links_of_a_page_are_led_whatever_it_is_packed_in() -> None:
    wanted = f'<a href="{PROXY}/x">x</a>'.encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
    asked = request("GET", f"{PROXY}/page", host="localhost")
    response, body, heard = asyncio.run(ask(asked, head + b"\r\n" + PAGE))
    assert (response.status, body) == (200, wanted)
    assert heard.startswith(b"GET /page HTTP/1.1\r\n")
    assert f"\r\nX-Forwarded-Uri: {PROXY}/page\r\n".encode() in heard

    packed = head + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(PAGE)
    response, body, _ = asyncio.run(ask(asked, packed))
    assert response.headers["Content-Encoding"] == "gzip" and gzip.decompress(body) == wanted

    unknown = head + b"Content-Encoding: br\r\n\r\n" + PAGE
    assert asyncio.run(ask(asked, unknown))[1] == PAGE
    wrong = head + b"Content-Encoding: gzip\r\n\r\n" + PAGE
    assert asyncio.run(ask(asked, wrong))[1] == b""


def test_what_is_no_page_is_not_touched() -> None:
    said = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + PAGE
    assert asyncio.run(ask(request("GET", f"{PROXY}/"), said))[1] == PAGE


@pytest.mark.parametrize(
    ("location", "wanted"),
    [
        ("/next", f"{PROXY}/next"),
        ("next", "next"),
        ("http://elsewhere.example.com/", "http://elsewhere.example.com/"),
        ("http://localhost:8001/next", f"http://localhost:8001{PROXY}/next"),
    ],
)
def test_redirects(location: str, wanted: str) -> None:
    said = f"HTTP/1.1 302 Found\r\nContent-Type: text/html\r\nLocation: {location}\r\n\r\n".encode() + PAGE
    response, body, _ = asyncio.run(ask(request("GET", f"{PROXY}/a", host="localhost:8001"), said))
    assert (response.status, response.headers["Location"], body) == (302, wanted, PAGE)


def test_who_names_no_path_is_led_to_the_root() -> None:
    for method in ("GET", "HEAD"):
        found = to_root(request(method, PROXY, "a=b&c"))
        assert found is not None and (found.status, found.headers["Location"]) == (301, f"{PROXY}/?a=b&c")
    node = to_root(request("GET", "/api/v1/nodes/n/proxy"))
    assert node is not None and node.headers["Location"] == "/api/v1/nodes/n/proxy/"
    upgrade = request("GET", PROXY, connection="Upgrade", upgrade="websocket")
    for other in (request("POST", PROXY), request("GET", f"{PROXY}/"), request("GET", f"{PROXY}/a"), upgrade):
        assert to_root(other) is None
