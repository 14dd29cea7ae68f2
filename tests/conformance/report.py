"""What docs/conformance.md says: which entries of the certified suite have a test here, and how it ended.

An entry is claimed by the first line of a test's docstring: `Conformance: <testname>`. Where entries differ only in
parameters, it is claimed by the id of a case: that string in the table with which a test is parametrized; what tells
entries of one name apart follows in parentheses. Its group is the name of the folder: `tests/conformance/apps` is
sig-apps.
"""

from __future__ import annotations

import ast
import fcntl
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

MARK = "Conformance: "
TARGET = Path(__file__).parents[2] / "docs" / "conformance.md"
ENTRIES = {
    "api-machinery": 99, "apps": 60, "architecture": 1, "auth": 10, "cli": 17, "instrumentation": 4, "network": 47,
    "node": 106, "scheduling": 11, "storage": 91,
}  # fmt: skip
"""How many entries each group has in v1.36 of the certified suite."""
WORST_FIRST = ("failed", "skipped", "passed")
WEAKEST_FIRST = ("played", "API", "nodes")
SAID = {"nodes": "passed on nodes", "API": "passed", "played": "passed, with a node that is played"}


class Outcome(NamedTuple):
    """How a test ended, and where (`stage.Where`). What nobody knows the place of is taken for played."""

    ended: str
    where: str = "played"

    @property
    def said(self) -> str:
        return SAID[self.where] if self.ended == "passed" else self.ended


NOT_RUN = Outcome("not run")


@dataclass(frozen=True, order=True)
class Claim:
    """A test that claims an entry; `test` is its file within the group's folder, its function, and its case if any.

    `note`: what its docstring goes on to say, which is why a node is played where one is.
    """

    group: str
    entry: str
    test: str
    note: str = ""


def claims(folder: Path) -> list[Claim]:
    """All there are below `folder`, by reading the files: no test is imported."""
    found = []
    for file in sorted(folder.rglob("test_*.py")):
        place = file.relative_to(folder)
        for entry, test, note in _claims(ast.parse(file.read_text())):
            found.append(Claim(place.parts[0], entry, f"{'/'.join(place.parts[1:])}::{test}", note))
    return sorted(found)


def _claims(module: ast.Module) -> Iterator[tuple[str, str, str]]:
    tables = {
        target.id: node.value
        for node in module.body if isinstance(node, ast.Assign)
        for target in node.targets if isinstance(target, ast.Name)
    }  # fmt: skip
    for node in module.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if (said := ast.get_docstring(node) or "").startswith(MARK):
            first, _, rest = said.partition("\n")
            yield _entry(first), node.name, " ".join(rest.split())
        for case in (case for decorator in node.decorator_list for case in _cases(decorator, tables)):
            yield _entry(case), f"{node.name}[{case}]", ""


def _cases(of: ast.expr, tables: Mapping[str, ast.expr]) -> Iterator[str]:
    """Ids that claim an entry: in the expression itself, and in the module's tables it names."""
    for node in ast.walk(of):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(MARK):
            yield node.value
        elif isinstance(node, ast.Name) and node.id in tables:
            yield from _cases(tables[node.id], {})


def _entry(claim: str) -> str:
    return claim.removeprefix(MARK).strip()


def name_of(nodeid: str) -> str:
    """What a test goes by here, as pytest names it: its parameters belong to that only if they claim an entry."""
    name, _, parameters = nodeid.partition("tests/conformance/")[2].partition("[")
    return f"{name}[{parameters}" if parameters.startswith(MARK) else name


def text(claimed: Iterable[Claim], outcomes: Mapping[str, Outcome]) -> str:
    """`outcomes`: of each group/test, as `name_of` names them; of a test with several parameters, the worst."""
    groups: dict[str, list[Claim]] = {group: [] for group in ENTRIES}
    for claim in claimed:
        groups[claim.group].append(claim)

    def of(claim: Claim) -> Outcome:
        return outcomes.get(f"{claim.group}/{claim.test}", NOT_RUN)

    def counts(own: list[Claim]) -> list[int]:
        found = [of(claim) for claim in own]
        good = [outcome for outcome in found if outcome.ended == "passed"]
        return [len(found), *(sum(outcome.where == where for outcome in good) for where in ("nodes", "API", "played"))]

    rows = [(group, total, groups[group]) for group, total in ENTRIES.items()]
    every = counts([claim for own in groups.values() for claim in own])
    lines = [
        "# Conformance",
        "",
        "Written by `make test`, from what the tests in `tests/conformance` claim and how they ended. Each is named",
        "after an entry of the certified v1.36 suite and does what its description says.",
        "",
        "*On nodes*: with real nodes and containers. *API*: in a control plane alone; no node has a part in the test.",
        "*Played*: in a control plane alone, and the test itself says what a node would say. It shows what controllers",
        "make of a node's word, not that a node says it; that is less than the suite asks, so it is counted apart. The",
        "tests do not claim which of them it is: it is seen while they run (`tests/conformance/stage.py`).",
        "",
        "| Group | Entries in v1.36 | With a test here | Passed on nodes | Passed, API | Passed, played |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(f"| sig-{group} | {total} | {_cells(counts(own))} |" for group, total, own in rows),
        f"| **all** | **{sum(ENTRIES.values())}** | {_cells([f'**{n}**' for n in every])} |",
    ]
    for group, _, own in rows:
        if own:
            lines += ["", f"## sig-{group}", "", "| Entry | Test | |", "| --- | --- | --- |"]
            lines += [f"| {c.entry} | `{c.test.partition('[')[0]}` | {_said(of(c), c.note)} |" for c in own]
    return "\n".join(lines) + "\n"


def _said(outcome: Outcome, note: str) -> str:
    played = outcome.ended == "passed" and outcome.where == "played"
    return f"{outcome.said}: {note}" if played and note else outcome.said


def _cells(counts: Iterable[object]) -> str:
    return " | ".join(map(str, counts))


def worse(one: Outcome, other: Outcome) -> Outcome:
    """The worst end, at the weakest place."""
    return Outcome(
        min(one.ended, other.ended, key=WORST_FIRST.index), min(one.where, other.where, key=WEAKEST_FIRST.index)
    )


def gather(file: Path, outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """Add outcomes to those that other processes have left in the file. Returns all of them."""
    file.parent.mkdir(exist_ok=True)
    with file.open("a+") as shared:
        fcntl.flock(shared, fcntl.LOCK_EX)
        shared.seek(0)
        there = json.loads(shared.read() or "{}")
        everything = {name: Outcome(*each) for name, each in there.items()} | dict(outcomes)
        shared.truncate(0)
        shared.write(json.dumps(everything, indent=1, sort_keys=True))
    return everything
