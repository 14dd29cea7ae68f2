"""What is left of a transport once the connection is lost."""

from __future__ import annotations

import asyncio


class HungUp(asyncio.Transport):
    """Takes everything and does nothing. A connection that is lost puts it in its transport's place: the two know each
    other, and a TLS transport holds 256 KiB, which would wait for the garbage collector (that counts objects, not
    bytes)."""

    def is_closing(self) -> bool:
        return True

    def close(self) -> None: ...

    def abort(self) -> None: ...

    def write(self, data: bytes | bytearray | memoryview) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


HUNG_UP = HungUp()
