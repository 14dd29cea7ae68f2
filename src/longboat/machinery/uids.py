"""UIDs of objects: random UUIDs (version 4, RFC 9562) that nobody can foretell."""

from __future__ import annotations

import os
from collections.abc import Iterator

SIZE, AT_ONCE = 16, 256  # bytes of one, and for how many the system is asked at once
_FREE, _VERSION_4 = ~(0xF000_C000 << 48), 0x4000_8000 << 48  # of 128 bits: four say the version, two the variant


def _drawn() -> Iterator[bytes]:
    while True:
        pool = os.urandom(SIZE * AT_ONCE)
        for at in range(0, len(pool), SIZE):
            yield pool[at : at + SIZE]


_draw = _drawn().__next__


def fresh() -> str:
    """Of a new object. Called on the loop only."""
    return spelled(int.from_bytes(_draw()))


def spelled(number: int) -> str:
    """The UUID of version 4 that 128 random bits make."""
    digits = f"{number & _FREE | _VERSION_4:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
