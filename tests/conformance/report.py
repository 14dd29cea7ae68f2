"""What docs/conformance.md says: which entries of the certified suite have a test here, and how it ended.

An entry is claimed by the first line of a test's docstring: `Conformance: <testname>`. Its group is the name of the
folder: `tests/conformance/apps` is sig-apps.
"""

from __future__ import annotations

import ast
import fcntl
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

MARK = "Conformance: "
TARGET = Path(__file__).parents[2] / "docs" / "conformance.md"
ENTRIES = {
    "api-machinery": 99, "apps": 60, "architecture": 1, "auth": 10, "cli": 17, "instrumentation": 4, "network": 47,
    "node": 106, "scheduling": 11, "storage": 91,
}  # fmt: skip
"""How many entries each group has in v1.36 of the certified suite."""
WORST_FIRST = ("failed", "skipped", "passed")


@dataclass(frozen=True, order=True)
class Claim:
    """A test that claims an entry; `test` is its file within the group's folder and its function."""

    group: str
    entry: str
    test: str


def claims(folder: Path) -> list[Claim]:
    """All there are below `folder`, by reading the files: no test is imported."""
    found = []
    for file in sorted(folder.rglob("test_*.py")):
        for node in ast.parse(file.read_text()).body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if (said := ast.get_docstring(node) or "").startswith(MARK):
                entry = said.splitlines()[0].removeprefix(MARK).strip()
                place = file.relative_to(folder)
                found.append(Claim(place.parts[0], entry, f"{'/'.join(place.parts[1:])}::{node.name}"))
    return sorted(found)


def text(claimed: Iterable[Claim], outcomes: Mapping[str, str]) -> str:
    """`outcomes`: of each group/test, as pytest names them; of a test with several parameters, the worst."""
    groups: dict[str, list[Claim]] = {group: [] for group in ENTRIES}
    for claim in claimed:
        groups[claim.group].append(claim)

    def ended(claim: Claim) -> str:
        return outcomes.get(f"{claim.group}/{claim.test}", "not run")

    rows = [(group, total, groups[group]) for group, total in ENTRIES.items()]
    shown = sum(len(own) for own in groups.values())
    good = sum(ended(claim) == "passed" for own in groups.values() for claim in own)
    lines = [
        "# Conformance",
        "",
        "Written by `make test`, from what the tests in `tests/conformance` claim and how they ended. Each is named",
        "after an entry of the certified v1.36 suite and asserts every sentence of its description.",
        "",
        "| Group | Entries in v1.36 | Shown by a test here | Passed |",
        "| --- | ---: | ---: | ---: |",
        *(f"| sig-{g} | {n} | {len(own)} | {sum(ended(c) == 'passed' for c in own)} |" for g, n, own in rows),
        f"| **all** | **{sum(ENTRIES.values())}** | **{shown}** | **{good}** |",
    ]
    for group, _, own in rows:
        if own:
            lines += ["", f"## sig-{group}", "", "| Entry | Test | |", "| --- | --- | --- |"]
            lines += [f"| {claim.entry} | `{claim.test}` | {ended(claim)} |" for claim in own]
    return "\n".join(lines) + "\n"


def worse(one: str, other: str) -> str:
    return min(one, other, key=WORST_FIRST.index)


def gather(file: Path, outcomes: Mapping[str, str]) -> dict[str, str]:
    """Add outcomes to those that other processes have left in the file. Returns all of them."""
    file.parent.mkdir(exist_ok=True)
    with file.open("a+") as shared:
        fcntl.flock(shared, fcntl.LOCK_EX)
        shared.seek(0)
        everything: dict[str, str] = json.loads(shared.read() or "{}") | dict(outcomes)
        shared.truncate(0)
        shared.write(json.dumps(everything, indent=1, sort_keys=True))
    return everything
