"""Content codings of HTTP, undone and done again as a body passes. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Protocol

PIECE = 4 << 10  # bytes that are worked on at once


class Coding(Protocol):
    """How a body is packed."""

    def unpack(self, data: bytes) -> Iterator[bytes]:
        """In pieces of no more than `PIECE`, however small they were packed. Raises zlib.error."""
        ...

    def pack(self, data: bytes) -> bytes: ...

    def finish(self) -> bytes:
        """The end of what has been packed."""
        ...


class Plain:
    def unpack(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), PIECE):
            yield data[at : at + PIECE]

    def pack(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


class Zipped:
    def __init__(self, wbits: int) -> None:
        self._out, self._in = zlib.decompressobj(wbits), zlib.compressobj(wbits=wbits)
        self._any = False

    def unpack(self, data: bytes) -> Iterator[bytes]:
        self._any = self._any or bool(data)
        while data:
            yield self._out.decompress(data, PIECE)
            data = self._out.unconsumed_tail

    def pack(self, data: bytes) -> bytes:
        return self._in.compress(data)

    def finish(self) -> bytes:
        return self._in.flush() if self._any else b""


def coding(name: str) -> Coding | None:
    """By the name of a Content-Encoding. None for one that is not understood: such a page is passed on as it is."""
    match name.strip().lower():
        case "" | "identity":
            return Plain()
        case "gzip" | "x-gzip":
            return Zipped(16 + zlib.MAX_WBITS)
        case "deflate":
            return Zipped(zlib.MAX_WBITS)
    return None
