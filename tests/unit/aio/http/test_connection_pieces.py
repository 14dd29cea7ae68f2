"""However the bytes of a connection are cut, the same requests come out of them."""

from __future__ import annotations

import asyncio
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from unit.aio.http.test_server import Client, echo, serving

METHODS = st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"])
WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-._~", min_size=1, max_size=12)
BODIES = st.binary(max_size=300).map(lambda data: data.hex().encode()[:900])


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, dict[str, object]]:
    """One request as bytes, and what should be understood of it."""
    method, path = draw(METHODS), "/" + "/".join(draw(st.lists(WORDS, max_size=4)))
    body = draw(BODIES) if method in ("POST", "PUT") else b""
    values = draw(st.lists(WORDS, max_size=3))
    head = f"{method} {path} HTTP/1.1\r\nHost: h\r\n" + "".join(f"X: {value}\r\n" for value in values)
    if body and draw(st.booleans()):
        sizes = draw(st.lists(st.integers(1, 200), min_size=1))
        chunks, at = b"", 0
        for size in [*sizes, len(body)]:
            if part := body[at : at + size]:
                chunks += b"%x\r\n%b\r\n" % (len(part), part)
            at += size
        data = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks + b"0\r\n\r\n"
    else:
        data = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    return data, {"method": method, "path": path, "body": body.decode(), "x": values}


@settings(max_examples=60)
@given(st.lists(requests(), min_size=1, max_size=5), st.lists(st.integers(1, 400), min_size=1, max_size=20))
def test_pieces(sent: list[tuple[bytes, dict[str, object]]], cuts: list[int]) -> None:
    async def main() -> None:
        async with serving(echo) as (_, port), asyncio.timeout(20):
            client = Client(*await asyncio.open_connection("127.0.0.1", port))
            stream, at = b"".join(data for data, _ in sent), 0
            for cut in [*cuts, len(stream)]:
                client.send(stream[at : at + cut])
                at += cut
                await asyncio.sleep(0)
            for _, expected in sent:
                status, _, body = await client.answer()
                found = json.loads(body)
                assert (status, {key: found[key] for key in expected}) == (200, expected)
            client.close()

    asyncio.run(main())
