"""UIDs of objects: random UUIDs (version 4, RFC 9562) that nobody can foretell."""

from __future__ import annotations

import os
from collections.abc import Iterator

SIZE, AT_ONCE = 16, 256  # bytes of one, and for how many the system is asked at once
_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))  # of RFC 9562: its first two bits are 10


def _drawn() -> Iterator[bytes]:
    while True:
        pool = os.urandom(SIZE * AT_ONCE)
        for at in range(0, len(pool), SIZE):
            yield pool[at : at + SIZE]


_draw = _drawn().__next__


def fresh() -> str:
    """Of a new object. Called on the loop only."""
    return spelled(_draw())


def spelled(drawn: bytes) -> str:
    """The UUID of version 4 that 16 random bytes make."""
    digits = drawn.hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:]}"
