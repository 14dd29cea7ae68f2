"""Write docs/decisions/README.md from the records: `python tools/decision_index.py`. A test compares the two."""

from __future__ import annotations

import re
from pathlib import Path

RECORDS = Path(__file__).parents[1] / "docs" / "decisions"
PAGE = RECORDS / "README.md"
HEAD = """\
# Decisions

One file for each choice that could have been made otherwise: what was chosen, why, what was measured, what was left.
Numbers are given once and never again; gaps mean nothing. The first line is `# NUMBER: what was decided`, in one
sentence. A record that no longer holds says so in its text and names the one that replaced it. This page is made by
`tools/decision_index.py`.

| | |
| --- | --- |
"""


def records() -> dict[Path, tuple[str, str]]:
    """Number and title by file. Raises ValueError where a record's first line is not in the form above."""
    found = {}
    for path in sorted(RECORDS.glob("*.md")):
        if path != PAGE:
            first = path.read_text().partition("\n")[0]
            heading = re.fullmatch(r"# (\d{4}): (.+)", first)
            if heading is None:
                raise ValueError(f"{path.name} begins with {first!r}, not with '# NUMBER: what was decided'")
            found[path] = heading[1], heading[2]
    return found


def page() -> str:
    return HEAD + "".join(f"| [{number}]({path.name}) | {title} |\n" for path, (number, title) in records().items())


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"wrote {PAGE}")
