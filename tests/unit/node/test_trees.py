"""Volumes that pods make as deep as they like, and change while the agent looks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from longboat.node.eviction.walk import Walk
from longboat.node.volumes import ownership, removal, tree

BLOCK, LEVELS = 4096, 1200


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """Deeper than paths may be long and than Python recurses; a file of one block on each level."""
    place = tmp_path / "volume"
    place.mkdir()
    folder = os.open(place, os.O_RDONLY)
    for _ in range(LEVELS):
        with open(os.open("file", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=folder), "wb") as file:
            file.write(b"x" * BLOCK)
        os.mkdir("further", 0o700, dir_fd=folder)
        below = os.open("further", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    yield place
    removal.remove_tree(place)


def test_no_depth_hides_what_is_used(deep: Path) -> None:
    walk = Walk(deep)
    while not walk.step(100):
        assert walk.found.inodes <= 2 * LEVELS + 1
    assert walk.found.bytes >= LEVELS * BLOCK and walk.found.inodes == 2 * LEVELS + 1


def test_no_depth_keeps_files_from_their_group(deep: Path) -> None:
    ownership.give_to(deep, 4242, only_if_root_differs=False)
    found = [os.stat(name, dir_fd=where) for where, name in tree.entries(deep)]
    assert len(found) == 2 * LEVELS
    assert {stat.st_gid for stat in found} == {4242} and {stat.st_mode & 0o070 for stat in found} == {0o060, 0o070}


def test_everything_is_seen_once_directories_before_what_they_hold(tmp_path: Path) -> None:
    for name in ("a/b/c", "a/d", "e"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").touch()
    (tmp_path / "link").symlink_to("/etc")
    found = [str(Path(os.readlink(f"/proc/self/fd/{where}"), name)) for where, name in tree.entries(tmp_path)]
    assert sorted(found) == sorted(map(str, tmp_path.rglob("*")))
    assert all(found.index(str(Path(path).parent)) < found.index(path) for path in found if path.count("/a/"))


def test_a_directory_that_becomes_a_link_is_not_entered(tmp_path: Path) -> None:
    outside, volume = tmp_path / "outside", tmp_path / "volume"
    for folder in (outside, volume / "d"):
        folder.mkdir(parents=True)
        (folder / "file").touch()
    seen = []
    for _, name in tree.entries(volume):
        seen.append(name)
        if name == "d":
            (volume / "d").rename(volume / "was")
            (volume / "d").symlink_to(outside)
    assert "file" not in seen


def test_the_way_back_does_not_lead_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "volume" / "d" / "below").mkdir(parents=True)
    (tmp_path / "volume" / "d" / "another").mkdir()
    (tmp_path / "other" / "secret").mkdir(parents=True)

    def look() -> None:
        for where, name in tree.entries(tmp_path / "volume"):
            path = os.readlink(f"/proc/self/fd/{where}")
            assert name != "secret"
            if path.endswith("/d"):
                (Path(path) / "below" / "deep").mkdir(exist_ok=True)
                (Path(path) / "another" / "deep").mkdir(exist_ok=True)
            if path.endswith(("/below", "/another")):
                os.rename(path, tmp_path / "other" / Path(path).name)

    with pytest.raises(tree.Moved):
        look()


def test_a_file_exchanged_for_a_link_does_not_lead_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another pod that has the volume swaps it at the worst moments: after it was looked at, before it is changed."""
    outside, volume = tmp_path / "shadow", tmp_path / "volume"
    outside.touch(0o600)
    volume.mkdir()
    (volume / "file").touch(0o600)

    def after_a_swap(change: Callable[..., None]) -> Callable[..., None]:
        def changed(*args: object, **kwargs: object) -> None:
            if not (volume / "file").is_symlink():
                (volume / "file").rename(volume / "was")
                (volume / "file").symlink_to(outside)
            change(*args, **kwargs)

        return changed

    before = outside.stat()
    monkeypatch.setattr(os, "chown", after_a_swap(os.chown))
    ownership.give_to(volume, 4242, only_if_root_differs=False)
    assert (volume / "file").is_symlink() and (volume / "was").stat().st_gid == 4242
    assert (outside.stat().st_gid, outside.stat().st_mode) == (before.st_gid, before.st_mode)
