"""WebSocket frames: whatever is cut and sent arrives; whatever breaks the rules is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.machinery.streams import websocket
from longboat.machinery.streams.websocket import BINARY, CLOSE, PING, TEXT, Decoder, Message, ProtocolError


def test_the_accept_key_is_that_of_the_standard() -> None:
    assert websocket.accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@given(
    messages=st.lists(
        st.one_of(
            st.tuples(st.sampled_from([TEXT, BINARY]), st.binary(max_size=70_000)),
            st.tuples(st.sampled_from([PING, CLOSE]), st.binary(max_size=125)),
        ),
        max_size=5,
    ),
    cut=st.integers(1, 5000),
    mask=st.one_of(st.none(), st.binary(min_size=4, max_size=4)),
)
def test_messages_arrive_however_they_are_cut(messages: list[tuple[int, bytes]], cut: int, mask: bytes | None) -> None:
    stream = b"".join(websocket.encode(kind, data, mask) for kind, data in messages)
    decoder = Decoder(from_client=mask is not None)
    found = [m for at in range(0, len(stream), cut) for m in decoder.feed(stream[at : at + cut])]
    assert found == [Message(kind, data) for kind, data in messages]


def test_a_message_in_pieces_is_joined_and_a_ping_may_come_between() -> None:
    first, ping, last = bytes((BINARY, 1)) + b"a", websocket.encode(PING, b"!"), bytes((0x80, 1)) + b"b"
    assert Decoder(from_client=False).feed(first + ping + last) == [Message(PING, b"!"), Message(BINARY, b"ab")]


@pytest.mark.parametrize(
    "frame",
    [
        bytes((0xC2, 0x80, 0, 0, 0, 0)),  # a reserved bit
        bytes((0x83, 0x80, 0, 0, 0, 0)),  # an unknown kind
        bytes((0x82, 0x00)),  # not masked
        bytes((0x09, 0x80, 0, 0, 0, 0)),  # a control frame in pieces
        bytes((0x89, 0xFE, 0, 200)),  # a long control frame
        bytes((0x80, 0x80, 0, 0, 0, 0)),  # goes on with nothing
        bytes((0x82, 0xFF)) + (1 << 40).to_bytes(8, "big"),  # larger than anybody may send
    ],
)
def test_broken_frames_are_refused(frame: bytes) -> None:
    with pytest.raises(ProtocolError):
        Decoder(from_client=True).feed(frame)


def test_a_message_too_big_in_pieces_is_refused() -> None:
    decoder = Decoder(from_client=False, limit=10)
    decoder.feed(bytes((BINARY, 6)) + b"123456")
    with pytest.raises(ProtocolError) as caught:
        decoder.feed(bytes((0x80, 6)) + b"123456")
    assert caught.value.code == websocket.TOO_BIG


@given(st.binary(max_size=300))
def test_noise_never_breaks_more_than_the_protocol(noise: bytes) -> None:
    try:
        Decoder(from_client=True).feed(noise)
    except ProtocolError:
        pass
