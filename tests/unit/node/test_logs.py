"""Reading container logs: the format, tails, and what is selected from them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.aio.clock import VirtualClock
from longboat.node import logs
from longboat.node.serve.log_stream import LogOptions, Selector, stream

LINES = [
    b"2026-01-01T00:00:01.000000001Z stdout F one\n",
    b"2026-01-01T00:00:02.000000001Z stderr F two\n",
    b"2026-01-01T00:00:03.000000001Z stdout P thr\n",
    b"2026-01-01T00:00:03.000000002Z stdout F ee\n",
]
ALL = b"".join(LINES)


def select(**options: object) -> bytes:
    return Selector(LogOptions(**options)).feed(ALL)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, b"one\ntwo\nthree\n"),
        ({"stream": "Stderr"}, b"two\n"),
        ({"limit": 5}, b"one\nt"),
        ({"since": datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC)}, b"two\nthree\n"),
        ({"timestamps": True, "stream": "Stdout"},
         b"2026-01-01T00:00:01.000000001Z one\n2026-01-01T00:00:03.000000001Z three\n"),
    ],
)  # fmt: skip
def test_lines_are_selected(options: dict[str, object], expected: bytes) -> None:
    assert select(**options) == expected


@given(st.integers(1, 40))
def test_it_does_not_matter_where_a_read_ends(size: int) -> None:
    selector = Selector(LogOptions(timestamps=True))
    assert b"".join(selector.feed(ALL[at : at + size]) for at in range(0, len(ALL), size)) == select(timestamps=True)


@given(st.lists(st.text("ab", max_size=9), max_size=30), st.integers(0, 40), st.booleans())
def test_a_tail_is_the_last_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], count: int, whole: bool
) -> None:
    path = tmp_path_factory.mktemp("log") / "0.log"
    text = "".join(f"{line}\n" for line in lines)
    path.write_text(text if whole else text[:-1])
    with logs.open_log(path) as file:
        file.seek(logs.start_of_tail(file, count))
        found = file.read().decode()
    kept = text if whole else text[:-1]
    expected = kept.splitlines(keepends=True)
    assert found == "".join(expected[-count:] if count else [])


def test_tails_reach_back_over_blocks(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(b"".join(b"%06d\n" % n for n in range(50_000)))
    with logs.open_log(path) as file:
        file.seek(logs.start_of_tail(file, 20_000))
        assert file.readline() == b"030000\n"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "0.log").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic links"):
        logs.open_log(tmp_path / "0.log")


def test_following_goes_on_over_rotation_until_the_container_ends(tmp_path: Path) -> None:
    async def main() -> bytes:
        clock, path, found = VirtualClock(), tmp_path / "0.log", bytearray()
        path.write_bytes(LINES[0])
        alive = True

        async def still_running() -> bool:
            return alive

        async def read() -> None:
            async for text in stream(path, LogOptions(follow=True), clock, still_running):
                found.extend(text)

        reading = asyncio.create_task(read())

        async def pass_time() -> None:
            for _ in range(20):
                await asyncio.sleep(0.005)
                await clock.advance(0.1)

        await pass_time()
        with path.open("ab") as file:
            file.write(LINES[1])
        await pass_time()
        path.rename(tmp_path / "0.log.20260101-000000")
        path.write_bytes(LINES[2] + LINES[3])
        await pass_time()
        alive = False
        await pass_time()
        await asyncio.wait_for(reading, 5)
        return bytes(found)

    assert asyncio.run(main()) == b"one\ntwo\nthree\n"
