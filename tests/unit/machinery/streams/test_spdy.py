"""SPDY/3.1 frames."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.machinery.streams import spdy
from longboat.machinery.streams.spdy import (
    Codec,
    Data,
    GoneAway,
    MoreHeaders,
    Opened,
    Pinged,
    Replied,
    Reset,
    SpdyError,
    Window,
)

names = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=20)
headers = st.dictionaries(names, st.text(max_size=50), max_size=5)
ids = st.integers(1, 0x7FFFFFFF)
events = st.one_of(
    st.builds(Opened, ids, headers, st.booleans()),
    st.builds(Replied, ids, headers, st.booleans()),
    st.builds(MoreHeaders, ids, headers, st.booleans()),
    st.builds(Data, ids, st.binary(max_size=1000), st.booleans()),
    st.builds(Reset, ids, st.integers(1, 11)),
    st.builds(Pinged, st.integers(0, 0xFFFFFFFF)),
    st.builds(GoneAway, ids, st.integers(0, 2)),
    st.builds(Window, ids, st.integers(1, 0x7FFFFFFF)),
)


def test_the_dictionary_is_that_of_the_standard() -> None:
    assert (len(spdy.DICTIONARY), zlib.adler32(spdy.DICTIONARY)) == (1423, 0xE3C6A7C2)


@given(st.lists(events, max_size=8), st.integers(1, 200))
def test_what_one_side_sends_the_other_receives_however_it_is_cut(sent: list[spdy.Event], cut: int) -> None:
    sender, receiver = Codec(), Codec()
    stream = b"".join(sender.encode(event) for event in sent)
    assert [e for at in range(0, len(stream), cut) for e in receiver.feed(stream[at : at + cut])] == sent


def test_long_data_becomes_several_frames_of_which_the_last_ends_the_stream() -> None:
    found = Codec().feed(Codec().encode(Data(1, b"x" * 100_000, True)))
    assert [e.fin for e in found if isinstance(e, Data)] == [False, False, False, True]
    assert b"".join(e.data for e in found if isinstance(e, Data)) == b"x" * 100_000


def test_settings_and_unknown_frames_are_passed_over() -> None:
    settings = bytes.fromhex("8003000400000004 00000000".replace(" ", ""))
    assert Codec().feed(settings + Codec().encode(Pinged(1))) == [Pinged(1)]


@pytest.mark.parametrize(
    "frame",
    [
        bytes.fromhex("8002000600000004") + bytes(4),  # SPDY/2
        bytes.fromhex("8003000600000002") + bytes(2),  # a ping without an id
        bytes.fromhex("800300010000000e") + bytes(14),  # headers that are not compressed
    ],
)
def test_broken_frames_are_refused(frame: bytes) -> None:
    with pytest.raises(SpdyError):
        Codec().feed(frame)


def test_headers_that_unfold_into_too_much_are_refused() -> None:
    sender = Codec()
    with pytest.raises(SpdyError):
        Codec().feed(sender.encode(Opened(1, {"a": "x" * (spdy.MAX_HEADERS + 10)})))


@given(st.binary(max_size=400))
def test_noise_never_breaks_more_than_the_protocol(noise: bytes) -> None:
    try:
        Codec().feed(noise)
    except SpdyError:
        pass
