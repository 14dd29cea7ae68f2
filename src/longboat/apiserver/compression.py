"""gzip of large answers, for clients that ask for it.

Upstream's measure: what is longer than 128 KiB, at level 1 (apiserver, responsewriters). It is made beside the loop, in
slices that take turns with other users' heavy work; zlib lets other threads run meanwhile.
"""

from __future__ import annotations

import zlib

from longboat.apiserver.request import Request, Response

LARGE = 128 << 10  # bytes: what is no longer is sent as it is
LEVEL = 1
SLICE = 1 << 20  # bytes that are worked on in one piece (about five milliseconds)
GZIP_FORMAT = 16 + zlib.MAX_WBITS


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether the client asks for it by name, as Go's do: with a quality, or as a pattern, upstream does not hear."""
    return any(coding.strip() == "gzip" for coding in accept_encoding.split(","))


async def compress(request: Request, response: Response) -> None:
    """Compress a whole body where that is asked for, and worth it."""
    body, headers = response.body, response.headers
    if len(body) <= LARGE or not accepts_gzip(request.headers.get("accept-encoding", "")):
        return
    if "Content-Encoding" in headers:
        return
    response.body = b""
    seat, packer = request.seat, zlib.compressobj(LEVEL, wbits=GZIP_FORMAT)
    await seat.take()
    pieces = [await seat.run(packer.compress, body[at : at + SLICE]) for at in range(0, len(body), SLICE)]
    pieces.append(await seat.run(packer.flush))
    response.body = b"".join(pieces)
    headers["Content-Encoding"] = "gzip"
    headers["Vary"] = f"{headers['Vary']}, Accept-Encoding" if "Vary" in headers else "Accept-Encoding"
