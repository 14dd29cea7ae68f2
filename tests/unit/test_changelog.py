"""The changelog is gathered from the files of what has changed, and nothing of them is lost."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("changelog", ROOT / "tools" / "changelog.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def words(text: str) -> list[str]:
    return re.findall(r"[^\s-]\S*", text)


def test_every_word_of_every_file_is_in_it() -> None:
    files = sorted((ROOT / "changes").glob("*.md"))
    assert words(tool().section("T", ROOT / "changes"))[2:] == [w for path in files for w in words(path.read_text())]


def test_a_release_takes_the_files_and_keeps_the_releases_before(tmp_path: Path) -> None:
    (tmp_path / "changes").mkdir()
    (tmp_path / "CHANGELOG.md").write_text((ROOT / "CHANGELOG.md").read_text())
    for version, text in (("0.1.0", "- one\n- two\n  goes on\n"), ("0.2.0", "A paragraph\nof two lines.\n")):
        (tmp_path / "changes" / "a.md").write_text(text)
        tool().release(version, "2026-12-01", tmp_path)
        assert list((tmp_path / "changes").iterdir()) == []
    page = (tmp_path / "CHANGELOG.md").read_text()
    assert page.startswith("# Changelog\n")
    assert page.partition("\n## ")[2] == (
        "0.2.0 (2026-12-01)\n\n- A paragraph of two lines.\n\n## 0.1.0 (2026-12-01)\n\n- one\n- two goes on\n"
    )


@pytest.mark.parametrize("text", ["", "- a bullet\n\nand text\n"])
def test_a_file_that_cannot_be_read_is_said(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(text)
    with pytest.raises(ValueError, match=r"a\.md|neither"):
        tool().section("T", tmp_path)
