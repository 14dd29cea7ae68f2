"""A request's body as it arrives: held back while nobody reads it, never for ever."""

from __future__ import annotations

import asyncio

from longboat.aio.http.message import UNREAD, Message


def test_a_great_body_that_came_whole_before_it_was_read_lets_the_next_request_in() -> None:
    flow: list[str] = []
    message = Message(lambda: flow.append("pause"), lambda: flow.append("resume"), lambda data: None)
    message.feed(b"x" * (UNREAD + 1))
    assert flow == ["pause"]
    message.end()
    assert flow == ["pause", "resume"]
    assert len(asyncio.run(message.read(1 << 20))) == UNREAD + 1
    assert flow == ["pause", "resume"]
