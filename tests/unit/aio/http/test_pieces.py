"""Documents in pieces: whole whatever they are cut into, shared while they are sent, let go of afterwards."""

from __future__ import annotations

import weakref

from hypothesis import given
from hypothesis import strategies as st

from longboat.aio.http.pieces import SMALL, Outgoing, Pieces

ITEMS = st.lists(st.integers(1, 3 * SMALL).map(lambda size: b"x" * size), min_size=1, max_size=6)


def made(items: list[bytes], begin: bytes = b"") -> Pieces:
    return Pieces.of_items(items.copy(), begin=begin, between=b"," + begin, end=b"]}")


@given(ITEMS, st.sampled_from([b"", b'{"metadata":']))
def test_items_in_pieces_are_the_items_with_something_between_them(items: list[bytes], begin: bytes) -> None:
    pieces = made(items, begin)
    assert pieces.joined() == begin + (b"," + begin).join(items) + b"]}"
    assert pieces.size == len(pieces.joined())


@given(st.integers(1, 4000), st.integers(50, 3000))
def test_items_that_are_alike_are_sent_without_a_copy(number: int, size: int) -> None:
    pieces = made([b"x" * size] * number)
    assert all(len(piece) <= SMALL for piece in pieces.pieces)


@given(st.binary(max_size=9), ITEMS)
def test_what_goes_out_is_everything_a_little_at_a_time(body: bytes, items: list[bytes]) -> None:
    tail = made(items)
    sent = list(Outgoing(body, tail))
    assert b"".join(sent) == body + tail.joined()
    assert all(0 < len(piece) <= SMALL for piece in sent)


def test_a_piece_that_fits_is_sent_without_a_copy() -> None:
    tail = made([b"x" * (SMALL - 3)] * 2)
    assert next(Outgoing(b"", tail)) is tail.pieces[0]


def test_who_sends_holds_and_nobody_else() -> None:
    tail = made([b"x" * (SMALL - 3)] * 3)
    known = weakref.ref(tail)
    through, cut_off = Outgoing(b"{", tail), Outgoing(b"{", tail)
    del tail
    assert len(list(through)) == 4
    next(cut_off)
    assert known() is not None
    cut_off.clear()
    assert known() is None
    assert list(cut_off) == []
