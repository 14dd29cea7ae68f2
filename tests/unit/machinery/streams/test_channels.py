"""Channels in WebSocket messages, in every variant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.machinery.streams import channels
from longboat.machinery.streams.channels import REMOTE_COMMAND, STDIN, V4, V4_BASE64, V5, Received
from longboat.machinery.streams.websocket import BINARY, TEXT, Message, ProtocolError


@given(st.sampled_from(REMOTE_COMMAND), st.integers(0, 9), st.binary())
def test_what_is_sent_on_a_channel_comes_out_of_it(protocol: str, channel: int, data: bytes) -> None:
    kind, content = channels.encode(protocol, channel, data)
    assert kind == (TEXT if "base64" in protocol else BINARY)
    assert channels.decode(protocol, Message(kind, content)) == Received(channel, data)


def test_only_v5_can_end_one_channel() -> None:
    kind, content = channels.encode_close(STDIN)
    assert channels.decode(V5, Message(kind, content)) == Received(STDIN, None)
    assert channels.decode(V4, Message(kind, content)) == Received(255, bytes((STDIN,)))


def test_an_empty_message_says_nothing() -> None:
    assert channels.decode(V4, Message(BINARY, b"")) is None


@pytest.mark.parametrize(("protocol", "data"), [(V5, b"\xff"), (V4_BASE64, b"x"), (V4_BASE64, b"1***")])
def test_broken_messages_are_refused(protocol: str, data: bytes) -> None:
    with pytest.raises(ProtocolError):
        channels.decode(protocol, Message(BINARY, data))


def test_the_clients_first_choice_that_is_known_wins() -> None:
    assert channels.choose([V4, V5], REMOTE_COMMAND) == V4
    assert channels.choose(["v9.channel.k8s.io", V5], REMOTE_COMMAND) == V5
    assert channels.choose(["v9.channel.k8s.io"], REMOTE_COMMAND) is None
    assert channels.choose([""], REMOTE_COMMAND) == ""
