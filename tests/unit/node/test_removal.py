"""Deleting what a pod has left: however deep, and never what is mounted in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from longboat.node.volumes import removal


def test_a_tree_deeper_than_any_path_goes(tmp_path: Path) -> None:
    place = tmp_path / "pod"
    place.mkdir()
    (place / "..lifted-0").write_text("a name that is taken")
    (place / "..lifted-1" / "full").mkdir(parents=True)
    folder = os.open(place, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("further", dir_fd=folder)
        os.symlink("/etc/passwd", "link", dir_fd=folder)
        below = os.open("further", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    removal.remove_tree(place)
    assert list(tmp_path.iterdir()) == []
    removal.remove_tree(place)  # once more: there is nothing


def test_links_are_deleted_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "pod").mkdir()
    (tmp_path / "pod" / "link").symlink_to(tmp_path / "kept")
    removal.remove_tree(tmp_path / "pod")
    assert (tmp_path / "kept" / "file").exists() and not (tmp_path / "pod").exists()


@pytest.mark.root
@pytest.mark.parametrize("where", ["pod", "pod/volumes/data", "pod/a/b/c"])
def test_what_is_mounted_is_not_deleted(tmp_path: Path, where: str) -> None:
    """Also where a part of a file system is bound into the same one."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "precious").touch()
    (tmp_path / where).mkdir(parents=True)
    lines = [
        "from pathlib import Path",
        "from longboat.node import kernel",
        "from longboat.node.volumes import removal",
        f"kernel.bind({str(tmp_path / 'data')!r}, Path({str(tmp_path / where)!r}))",
        f"removal.remove_tree(Path({str(tmp_path / 'pod')!r}))",
    ]
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ":".join(sys.path)}, check=False
    )
    assert "Invalid cross-device link" in done.stderr or "resource busy" in done.stderr, done.stderr
    assert (tmp_path / "data" / "precious").exists()
