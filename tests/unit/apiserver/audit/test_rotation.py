"""A file that rotates: how large, how many, how old; and what it does not write to."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from longboat.apiserver.audit.rotation import MEGABYTE, Limits, RotatedFile

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LINE = b"x" * (MEGABYTE // 4)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_each_file_gets_what_fits_and_the_oldest_go(tmp_path: Path) -> None:
    file = RotatedFile(tmp_path / "audit.log", Limits(0, 2, 1))
    for number in range(4):
        file.write([b"%d" % number + LINE for _ in range(3)], NOON + timedelta(minutes=number))
    assert names(tmp_path) == ["audit-2026-01-01T12-02-00.000.log", "audit-2026-01-01T12-03-00.000.log", "audit.log"]
    assert all(path.stat().st_size <= MEGABYTE and path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())
    assert file.path.read_bytes()[:1] == b"3"


def test_one_batch_may_fill_several_files_in_one_instant(tmp_path: Path) -> None:
    file = RotatedFile(tmp_path / "audit.log", Limits(0, 0, 1))
    file.write([b"%02d" % number + LINE for number in range(10)], NOON)
    parts = [path for _, path in reversed(file.backups())]
    lines = [line[:2] for path in [*parts, file.path] for line in path.read_bytes().splitlines()]
    assert len(parts) == 3 and lines == [b"%02d" % number for number in range(10)]


def test_what_is_too_old_goes_also_when_nothing_is_written(tmp_path: Path) -> None:
    file = RotatedFile(tmp_path / "audit.log", Limits(30, 10, 1))
    file.write([LINE] * 4, NOON)
    file.check(NOON + timedelta(days=29))
    assert len(file.backups()) == 1
    file.check(NOON + timedelta(days=31))
    assert names(tmp_path) == ["audit.log"]


def test_the_parts_of_another_ring_are_left_alone(tmp_path: Path) -> None:
    file, other = (RotatedFile(tmp_path / name, Limits(0, 1, 1)) for name in ("audit.log", "audit-strangers.log"))
    for moment in range(3):
        for one in (file, other):
            one.write([LINE] * 4, NOON + timedelta(minutes=moment))
    assert len(file.backups()) == len(other.backups()) == 1 and len(names(tmp_path)) == 4


def test_it_is_its_owner_s_alone_from_the_first_byte_on(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(b"")
    path.chmod(0o644)
    RotatedFile(path, Limits()).write([b"line"], NOON)
    assert (path.stat().st_mode & 0o777, path.read_bytes()) == (0o600, b"line\n")


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    path, victim = tmp_path / "audit.log", tmp_path / "victim"
    victim.write_bytes(b"untouched")
    match kind:
        case "link":
            path.symlink_to(victim)
        case "pipe":
            os.mkfifo(path)
        case _:
            path.mkdir()
    file = RotatedFile(path, Limits())
    for attempt in (lambda: file.check(NOON), lambda: file.write([b"line"], NOON)):
        with pytest.raises(OSError):
            attempt()
    assert victim.read_bytes() == b"untouched"
