"""HTTP/1.1 messages: what is well formed is read, all else is refused."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.aio.http import client as http1
from longboat.aio.http.client import BadMessage, read_body, read_response


def reader(data: bytes) -> asyncio.StreamReader:
    made = asyncio.StreamReader(limit=http1.MAX_HEAD)
    made.feed_data(data)
    made.feed_eof()
    return made


async def response(data: bytes, method: str = "GET") -> tuple[int, bytes]:
    source = reader(data)
    head = await read_response(source, method)
    return head.status, await read_body(source, head, 1 << 20)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhixx", (200, b"hi")),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", (200, b"to the end")),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3;x=y\r\n yo\r\n0\r\nT: x\r\n\r\n",
            (200, b"hi yo"),
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\nno", (204, b"")),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", (404, b"")),
        (b"HTTP/1.0 302\r\nContent-Length: 0\r\n\r\n", (302, b"")),
    ],
)  # fmt: skip
def test_answers_are_read(data: bytes, expected: tuple[int, bytes]) -> None:
    assert asyncio.run(response(data)) == expected


def test_an_answer_to_head_has_no_body() -> None:
    assert asyncio.run(response(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "HEAD")) == (200, b"")


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhiXX0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * (70 << 10) + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
    ],
)
def test_broken_answers_are_refused(data: bytes) -> None:
    with pytest.raises(BadMessage):
        asyncio.run(response(data))


@pytest.mark.parametrize("value", ["x\r\nSet-Cookie: y", "x\ny"])
def test_nothing_breaks_out_of_its_header(value: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        http1.encode_request("GET", "/", [("X", value)])


@given(st.binary(max_size=200))
def test_noise_is_refused_or_read(noise: bytes) -> None:
    try:
        asyncio.run(response(b"HTTP/1.1 200 OK\r\n" + noise))
    except (BadMessage, ConnectionResetError):
        pass
