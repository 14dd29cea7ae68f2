"""Archives are unpacked on their way, as far as there is room, and what is wrong with one is said."""

from __future__ import annotations

import os
import subprocess
import threading
from functools import cache
from pathlib import Path
from typing import BinaryIO

import pytest

from longboat.cli import image_archive
from longboat.cli.errors import Failure
from longboat.cli.image_archive import KNOWN, compression, unpacked

CONTENT = os.urandom(300_000) + bytes(2 << 20)
COMPRESS = {"gzip": ("gzip", "-c"), "zstd": ("zstd", "-qc"), "xz": ("xz", "-0c"), "bzip2": ("bzip2", "-1c")}


@cache
def compressed(how: str, content: bytes = CONTENT) -> bytes:
    return subprocess.run(COMPRESS[how], input=content, capture_output=True, check=True).stdout


def read(path: Path, most: int = 1 << 30, amount: int = -1) -> bytes:
    """What another process would get."""
    with path.open("rb") as archive, unpacked(archive, most) as tar:
        return read_from(tar, amount)


def read_from(tar: BinaryIO, amount: int = -1) -> bytes:
    with os.fdopen(os.dup(tar.fileno()), "rb") as other:
        return other.read(amount)


@pytest.mark.parametrize("how", COMPRESS)
def test_all_that_there_is_comes_out(how: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(compressed(how))
    assert read(path) == CONTENT
    path.write_bytes(compressed(how) + compressed(how))  # what was compressed in parts is one file
    assert read(path) == CONTENT * 2


def test_what_is_not_compressed_is_left_alone(tmp_path: Path) -> None:
    assert {each.program[0] for each in KNOWN} == COMPRESS.keys()
    named = b"BZh-notes.txt".ljust(257, b"\0") + b"ustar\0" + b"00"
    assert compression(named) is None and compression(b"") is None and compression(b"\x1f\x8b") == KNOWN[0]
    path = tmp_path / "a"
    path.write_bytes(named)
    with path.open("rb") as archive, unpacked(archive, 0) as tar:
        assert tar is archive and archive.read() == named
    out, into = os.pipe()  # longboat image import <(…)
    os.write(into, b"\x1f\x8b")
    os.close(into)
    with open(out, "rb") as archive, unpacked(archive, 0) as tar:
        assert tar is archive and archive.read() == b"\x1f\x8b"


@pytest.mark.parametrize("how", COMPRESS)
def test_a_bomb_is_stopped_where_the_room_ends(how: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(compressed(how))
    assert read(path, len(CONTENT)) == CONTENT
    got = b""
    why = "the archive unpacks to more than 1 MiB, half of what is free on the node's disk"
    with pytest.raises(Failure, match=why), path.open("rb") as archive, unpacked(archive, 1 << 20) as tar:
        got = read_from(tar)
        raise Failure("node-1: unexpected EOF")  # the reader's own words come second
    assert len(got) <= 1 << 20


@pytest.mark.parametrize("how", COMPRESS)
def test_what_is_cut_short_or_damaged_is_said_though_the_reader_is_content(how: str, tmp_path: Path) -> None:
    path, whole = tmp_path / "a", compressed(how)
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    for content in (whole[:-5], bytes(damaged)):
        path.write_bytes(content)
        with pytest.raises(Failure, match=r"the archive is damaged: [A-Za-z ]+"):
            read(path)


def test_a_reader_that_has_had_enough_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(compressed("zstd"))
    before = threading.active_count()
    assert read(path, amount=10) == CONTENT[:10]
    with pytest.raises(Failure, match="node-1: no such image"), path.open("rb") as archive, unpacked(archive, 1 << 30):
        raise Failure("node-1: no such image")
    with pytest.raises(KeyboardInterrupt), path.open("rb") as archive, unpacked(archive, 1 << 30):
        raise KeyboardInterrupt
    assert threading.active_count() == before


def test_a_program_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(compressed("zstd"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure, match="zstd is not installed") as caught:
        read(path)
    assert caught.value.remedy == "apt install zstd"
    assert image_archive.too_large(5 << 20).problem.startswith("the archive unpacks to more than 5 MiB")
