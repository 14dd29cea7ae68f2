"""Decisions are numbered once, the index has them all, and whoever cites one cites one that there is."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CITED = re.compile(r"(?:\((?:decision )?|decisions? |, |: )(0[01]\d\d)\b(?=[),;. ])|decisions/(\d{4})-")


def tool() -> object:
    spec = importlib.util.spec_from_file_location("decision_index", ROOT / "tools" / "decision_index.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def records() -> dict[Path, tuple[str, str]]:
    found: dict[Path, tuple[str, str]] = tool().records()  # type: ignore[attr-defined]
    return found


def test_each_number_is_given_once_and_is_the_files() -> None:
    numbers = [number for number, _ in records().values()]
    assert sorted(set(numbers)) == sorted(numbers)
    assert [path.name for path, (number, _) in records().items() if path.name[:5] != f"{number}-"] == []


def test_the_index_is_what_the_records_say() -> None:
    page: str = tool().page()  # type: ignore[attr-defined]
    assert (ROOT / "docs" / "decisions" / "README.md").read_text() == page, "python tools/decision_index.py"


def test_every_decision_that_is_cited_exists() -> None:
    numbers = {number for number, _ in records().values()}
    places = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    cited = {
        (path.relative_to(ROOT).as_posix(), number)
        for path in places
        for found in CITED.findall(path.read_text())
        for number in found
        if number
    }
    assert len(cited) > 30
    assert sorted((path, number) for path, number in cited if number not in numbers) == []
