"""The changelog of what is not released yet, gathered from changes/*.md.

python tools/changelog.py                     prints it
python tools/changelog.py --release VERSION   puts it into CHANGELOG.md above the releases before, and deletes the files
"""

from __future__ import annotations

import datetime
import re
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[1]
WIDTH = 120


def entries(text: str) -> list[str]:
    """A file's bullets, or its paragraphs, each as one line. Raises ValueError where bullets and text are mixed."""
    found: list[str] = []
    for block in re.split(r"\n\s*\n|\n(?=- )", text.strip()):
        line = " ".join(block.split())
        if found and line.startswith("- ") != found[0].startswith("- "):
            raise ValueError(f"neither bullets nor text: {line!r}")
        found.append(line)
    return [line.removeprefix("- ") for line in found if line]


def section(title: str, folder: Path) -> str:
    """Raises ValueError for a file that cannot be read so, or says nothing."""
    lines = [f"## {title}", ""]
    for path in sorted(folder.glob("*.md")):
        said = entries(path.read_text())
        if not said:
            raise ValueError(f"{path.name} says nothing")
        for entry in said:
            lines += textwrap.wrap(
                f"- {entry}", WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
            )
    return "\n".join(lines) + "\n"


def release(version: str, day: str, root: Path) -> None:
    page, folder = root / "CHANGELOG.md", root / "changes"
    new = section(f"{version} ({day})", folder)
    head, mark, before = page.read_text().partition("\n## ")
    page.write_text(f"{head.rstrip()}\n\n{new}{mark}{before}")
    for path in folder.glob("*.md"):
        path.unlink()


def main(arguments: list[str]) -> int:
    if not arguments:
        print(section("Not released yet", ROOT / "changes"), end="")
        return 0
    if len(arguments) != 2 or arguments[0] != "--release":
        print(__doc__, file=sys.stderr)
        return 2
    shown = subprocess.run(["git", "log", "-1", "--format=%cs"], cwd=ROOT, capture_output=True, text=True)
    release(arguments[1], shown.stdout.strip() or datetime.datetime.now(datetime.UTC).date().isoformat(), ROOT)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
