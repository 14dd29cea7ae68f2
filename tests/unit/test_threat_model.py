"""The threat model is true: what it says a test shows, a test of that name shows."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text()
LESSONS = 21


def functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def test_every_test_that_is_named_exists() -> None:
    missing, file = [], Path()
    for name, function in re.findall(r"`(tests/[\w/]+\.py)?(?:::(\w+))?`", PAGE):
        file = ROOT / name if name else file
        if not file.exists() or (function and function not in functions(file)):
            missing.append(f"{file.relative_to(ROOT)}::{function}")
    assert missing == []


def test_every_attack_is_in_the_page() -> None:
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tests" / "attack").rglob("test_*.py")]
    assert [file for file in files if file not in PAGE] == []


def test_every_lesson_has_a_row() -> None:
    section = PAGE.partition("## 4.")[2]
    assert [int(number) for number in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == list(range(1, LESSONS + 1))
