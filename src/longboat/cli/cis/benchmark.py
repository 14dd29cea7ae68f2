"""The whole benchmark in its order, and how a run of it is told."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from longboat.cli.cis import api_server, control_plane, control_plane_files, policies, worker
from longboat.cli.cis.control import Control
from longboat.cli.cis.evidence import Evidence
from longboat.cli.cis.finding import FAIL, MANUAL, STATES, Finding

NAME = "CIS Kubernetes Benchmark 1.12"
SECTIONS = {
    "1.1": "Files of the control plane",
    "1.2": "API server",
    "1.3": "Controllers",
    "1.4": "Scheduler",
    "2": "Store",
    "3.1": "Authentication",
    "3.2": "Audit",
    "4.1": "Files of nodes",
    "4.2": "Agent of nodes",
    "4.3": "Proxy of nodes",
    "5.1": "RBAC and ServiceAccounts",
    "5.2": "Pod security",
    "5.3": "Network policies",
    "5.4": "Secrets",
    "5.5": "Images",
    "5.6": "General policies",
}
CONTROLS: tuple[Control, ...] = (
    *control_plane_files.CONTROLS,
    *api_server.CONTROLS,
    *control_plane.CONTROLS,
    *worker.CONTROLS,
    *policies.CONTROLS,
)
Result = tuple[Control, Finding]


def run(evidence: Evidence) -> list[Result]:
    return [(control, control.check(evidence)) for control in CONTROLS]


def section(control: Control) -> str:
    whole = control.number.rpartition(".")[0]
    return whole if whole in SECTIONS else whole.partition(".")[0]


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    return {
        "benchmark": NAME,
        "summary": {state: _counted(results)[state] for state in STATES},
        "controls": [
            {
                "number": control.number,
                "section": SECTIONS[section(control)],
                "title": control.title,
                "state": finding.state,
                "reason": finding.reason,
                "remedy": control.remedy if finding.state in (FAIL, MANUAL) else "",
            }
            for control, finding in results
        ],
    }


def as_text(results: Sequence[Result]) -> Iterator[str]:
    last = ""
    for control, finding in results:
        if (here := section(control)) != last:
            yield f"\n{here}  {SECTIONS[here]}"
            last = here
        yield f"  {finding.state:14}  {control.number:7} {control.title}"
        yield from textwrap.wrap(finding.reason, 96, initial_indent=" " * 26, subsequent_indent=" " * 26)
        if control.remedy and finding.state == FAIL:
            yield from textwrap.wrap(f"→ {control.remedy}", 96, initial_indent=" " * 26, subsequent_indent=" " * 28)
    counted = _counted(results)
    yield "\n" + ", ".join(f"{counted[state]} {state}" for state in STATES)


def page() -> str:
    """`docs/cis.md`."""
    lines = [INTRODUCTION]
    last = ""
    for control in CONTROLS:
        if (here := section(control)) != last:
            lines += ["", f"## {here} {SECTIONS[here]}", "", "| | asks | answer |", "| --- | --- | --- |"]
            last = here
        lines.append(f"| {control.number} | {control.title} | {control.answer} |")
    return "\n".join([*lines, ""])


def _counted(results: Sequence[Result]) -> Counter[str]:
    return Counter(finding.state for _, finding in results)


INTRODUCTION = f"""# {NAME}

How a cluster answers each control as it comes. `longboat check cis` looks at a running cluster of this machine, control
by control: files, processes and their options, sockets, what its API answers (nothing is changed: it reads, asks for
reviews and rehearses writes with `dryRun`). `--output json` for programs; the exit code is 1 if a control fails.

- `PASS`: looked at and found so, or so by construction.
- `FAIL`: found otherwise; what to do stands below it.
- `MANUAL`: for a person to judge; what there is to judge is listed.
- `NOT APPLICABLE`: there is no such thing here.

Run it as the user the cluster runs as (root, where it has real nodes). Nodes of other machines are not looked at: their
files and sockets are there. What fails as it comes: 1.2.9 and 1.2.11, which wait for admission plugins.

Titles are our words; the numbers are the benchmark's. (This page is made from the checks' own table, by
`python -m longboat.cli.cis.benchmark > docs/cis.md`; a test compares.)"""


if __name__ == "__main__":
    print(page(), end="")
