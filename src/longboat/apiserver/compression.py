"""gzip of large answers, for clients that ask for it.

Upstream's measure: what is longer than 128 KiB, at level 1 (apiserver, responsewriters). It is made beside the loop, in
slices that take turns with other users' heavy work; zlib lets other threads run meanwhile.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from functools import reduce

from longboat.aio.bench import Seat
from longboat.aio.http.pieces import NONE, Pieces
from longboat.apiserver.request import Request, Response

LARGE = 128 << 10  # bytes: what is no longer is sent as it is
LEVEL = 1
SLICE = 1 << 20  # bytes that are worked on in one piece (about five milliseconds)
RAW = -zlib.MAX_WBITS
HEAD = b"\x1f\x8b\x08\0\0\0\0\0\4\xff"  # deflate, no time, the fastest way, by whatever system (RFC 1952)


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether the client asks for it by name, as Go's do: with a quality, or as a pattern, upstream does not hear."""
    return any(coding.strip() == "gzip" for coding in accept_encoding.split(","))


async def compress(request: Request, response: Response) -> None:
    """Compress a whole answer where that is asked for, and worth it. What it shares with others is compressed for all:
    a stream of deflate goes on with another that looks back to nothing (RFC 1951); only the checksum is made anew."""
    headers = response.headers
    if response.size <= LARGE or not accepts_gzip(request.headers.get("accept-encoding", "")):
        return
    if "Content-Encoding" in headers:
        return
    body, tail, seat = response.body, response.tail, request.seat
    response.body, response.tail = b"", NONE
    await seat.take()
    packed = HEAD + b"".join(await _deflated((body,), zlib.Z_FULL_FLUSH if tail.size else zlib.Z_FINISH, seat))
    if tail.size and tail.packed is None:
        tail.packed = await _deflated(tail.pieces, zlib.Z_FINISH, seat)
    check = await seat.run(_checksum, (body, *tail.pieces))
    end = check.to_bytes(4, "little") + ((len(body) + tail.size) & 0xFFFFFFFF).to_bytes(4, "little")
    response.body, response.tail = packed, Pieces((*(tail.packed or ()), end), tail)
    headers["Content-Encoding"] = "gzip"
    headers["Vary"] = f"{headers['Vary']}, Accept-Encoding" if "Vary" in headers else "Accept-Encoding"


async def _deflated(pieces: Sequence[bytes], end: int, seat: Seat) -> list[bytes]:
    packer = zlib.compressobj(LEVEL, wbits=RAW)
    slices = (piece[at : at + SLICE] for piece in pieces for at in range(0, len(piece), SLICE))
    packed = [await seat.run(packer.compress, each) for each in slices]
    return [*filter(None, packed), await seat.run(packer.flush, end)]


def _checksum(pieces: Iterable[bytes]) -> int:
    return reduce(lambda check, piece: zlib.crc32(piece, check), pieces, 0)
