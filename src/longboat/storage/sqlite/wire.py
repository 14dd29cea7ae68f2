"""What client and store process say to each other over the Unix socket.

A frame is its length (4 bytes, little endian) and a msgpack array of messages; whatever waits to be sent travels in
one frame. A request carries an `id`, which its answer repeats, and so does every event of the watch it began.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import msgspec

from longboat.storage.interface import Event, Item

HEADER = 4
MAX_FRAME = 256 << 20  # bytes; more than any batch of legal requests, less than a confused peer would claim
FRAME = 1 << 20  # bytes after which a sender begins another frame


class Message(msgspec.Struct, array_like=True, gc=False):
    id: int


class Get(Message, tag=1):
    key: str


class List(Message, tag=2):
    prefix: str
    at_revision: int
    limit: int
    after: str


class Create(Message, tag=3):
    key: str
    value: bytes
    ttl: float | None


class Update(Message, tag=4):
    key: str
    value: bytes
    expect: int
    ttl: float | None


class Delete(Message, tag=5):
    key: str
    expect: int


class Watch(Message, tag=6):
    prefix: str
    from_revision: int
    previous: bool


class Cancel(Message, tag=7):
    """End the watch of this id; nothing is answered."""


class Current(Message, tag=8):
    """Ask for the current revision."""


class Compact(Message, tag=9):
    revision: int


class Purge(Message, tag=10):
    """Forget all history, and leave nothing of what was ever deleted or replaced in the file or its log."""


class Save(Message, tag=11):
    """Write the database as it is now to a new file."""

    path: str


class Done(Message, tag=20):
    revision: int


class Found(Message, tag=21):
    item: Item | None


class Listed(Message, tag=22):
    """`remaining` as a Page's; -1 also where the page grew large."""

    items: list[Item]
    revision: int
    remaining: int


class Exists(Message, tag=23):
    pass


class Mismatch(Message, tag=24):
    current: Item | None


class TooOld(Message, tag=25):
    oldest: int


class TooNew(Message, tag=26):
    current: int


class Failed(Message, tag=27):
    why: str


class Changed(Message, tag=28):
    events: list[Event]


class Reached(Message, tag=29):
    """Every event of the watch up to `revision` has been sent."""

    revision: int


Write: TypeAlias = Create | Update | Delete
Request: TypeAlias = Get | List | Create | Update | Delete | Watch | Cancel | Current | Compact | Purge | Save
Reply: TypeAlias = Done | Found | Listed | Exists | Mismatch | TooOld | TooNew | Failed | Changed | Reached

encoder = msgspec.msgpack.Encoder()


def frame(messages: list[Request] | list[Reply]) -> bytearray:
    """The messages as one frame."""
    buffer = bytearray(HEADER)
    encoder.encode_into(messages, buffer, HEADER)
    buffer[:HEADER] = (len(buffer) - HEADER).to_bytes(HEADER, "little")
    return buffer


class Frames:
    """Cuts a stream of bytes into the bodies of frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes | memoryview) -> Iterator[bytes]:
        """Every frame that `data` completes. Raises ValueError if the peer does not speak this protocol."""
        buffer = self._buffer
        buffer += data
        start = 0
        try:
            while len(buffer) - start >= HEADER:
                size = int.from_bytes(buffer[start : start + HEADER], "little")
                if size > MAX_FRAME:
                    raise ValueError(f"a frame of {size} bytes")
                end = start + HEADER + size
                if len(buffer) < end:
                    break
                yield bytes(memoryview(buffer)[start + HEADER : end])
                start = end
        finally:
            del buffer[:start]
