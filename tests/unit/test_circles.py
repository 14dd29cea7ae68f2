"""No module imports one that leads back to it; `make lint` says so too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "check_circles.py"


def told(folder: Path) -> tuple[int, str]:
    done = subprocess.run([sys.executable, TOOL, folder], capture_output=True, text=True)
    return done.returncode, done.stderr


def test_the_sources_have_none() -> None:
    assert told(ROOT / "src") == (0, "")


@pytest.mark.parametrize(
    "back",
    [
        "import house.first",
        "from house import first",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.first import Thing",
        "def later():\n    from house.first import thing",
    ],
)
def test_a_circle_is_found_wherever_the_import_stands(tmp_path: Path, back: str) -> None:
    house = tmp_path / "house"
    house.mkdir()
    (house / "__init__.py").touch()
    (house / "first.py").write_text("from house.second import other\n")
    (house / "second.py").write_text("from house.third import other\n")
    (house / "third.py").write_text(f"{back}\n")
    code, said = told(tmp_path)
    assert code == 1
    assert "  house.first -> house.second\n  house.second -> house.third\n  house.third -> house.first\n" in said
    (house / "third.py").write_text("import house\n")
    assert "house.first ->" not in told(tmp_path)[1]
