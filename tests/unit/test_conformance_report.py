"""What is claimed is found, what ended badly is said, and every claim belongs to a group of the suite."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conformance import report
from conformance.report import Claim

FOLDER = Path(report.__file__).parent


def test_claims_are_read_from_docstrings(tmp_path: Path) -> None:
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "test_x.py").write_text(
        'def test_a():\n    """Conformance: B, c\n\n    More."""\n\ndef test_b():\n    """Something else."""\n'
    )
    assert report.claims(tmp_path) == [Claim("apps", "B, c", "test_x.py::test_a")]


def test_claims_are_read_from_the_ids_of_cases(tmp_path: Path) -> None:
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "test_x.py").write_text(
        'CASES = [Case("Conformance: A (one)", 1), Case("Conformance: A (other)", 2)]\n'
        'OTHER = [Case("Conformance: not claimed by any test")]\n'
        '@parametrize("case", CASES, ids=entry)\ndef test_a(case):\n    """Something."""\n\n'
        '@parametrize("n", [param(3, id="Conformance: B"), param(4, id="b")])\nasync def test_b(n): ...\n'
    )
    assert report.claims(tmp_path) == [
        Claim("apps", "A (one)", "test_x.py::test_a[Conformance: A (one)]"),
        Claim("apps", "A (other)", "test_x.py::test_a[Conformance: A (other)]"),
        Claim("apps", "B", "test_x.py::test_b[Conformance: B]"),
    ]


def test_parameters_belong_to_a_name_if_they_claim_an_entry() -> None:
    file = "tests/conformance/apps/test_x.py"
    assert report.name_of(f"{file}::test_a") == report.name_of(f"{file}::test_a[1-2]") == "apps/test_x.py::test_a"
    assert report.name_of(f"{file}::test_a[Conformance: A, b]") == "apps/test_x.py::test_a[Conformance: A, b]"


def test_each_case_is_an_entry_of_its_own() -> None:
    claimed = [Claim("apps", f"A ({n})", f"t.py::a[Conformance: A ({n})]") for n in (1, 2)]
    said = report.text(claimed, {"apps/" + claimed[0].test: "passed", "apps/" + claimed[1].test: "failed"})
    assert "| sig-apps | 60 | 2 | 1 |" in said
    assert "| A (1) | `t.py::a` | passed |" in said and "| A (2) | `t.py::a` | failed |" in said


def test_the_report_counts_what_passed() -> None:
    claimed = [Claim("apps", "A", "t.py::a"), Claim("apps", "B", "t.py::b"), Claim("node", "C", "t.py::c")]
    said = report.text(claimed, {"apps/t.py::a": "passed", "apps/t.py::b": "failed"})
    assert "| sig-apps | 60 | 2 | 1 |" in said and "| sig-node | 106 | 1 | 0 |" in said
    assert "| **all** | **446** | **3** | **1** |" in said
    assert "| B | `t.py::b` | failed |" in said and "| C | `t.py::c` | not run |" in said
    assert "## sig-cli" not in said


@pytest.mark.parametrize(
    ("one", "other", "worse"), [("passed", "failed", "failed"), ("skipped", "passed", "skipped"), ("passed",) * 3]
)
def test_a_test_is_as_good_as_its_worst_parameter(one: str, other: str, worse: str) -> None:
    assert report.worse(one, other) == report.worse(other, one) == worse


def test_every_claim_belongs_to_a_group_and_no_test_claims_more_than_there_is() -> None:
    claimed = report.claims(FOLDER)
    assert claimed and {claim.group for claim in claimed} <= report.ENTRIES.keys()
    for group, total in report.ENTRIES.items():
        assert sum(claim.group == group for claim in claimed) <= total


def test_cases_that_claim_are_those_that_pytest_finds() -> None:
    claimed = [f"{claim.group}/{claim.test}" for claim in report.claims(FOLDER) if "[" in claim.test]
    files = sorted({str(FOLDER / test.partition("::")[0]) for test in claimed})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-n0", "-p", "no:cacheprovider", *files]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=FOLDER.parents[1]).stdout
    found = [report.name_of(line) for line in said.splitlines() if report.MARK in line]
    assert sorted(claimed) == sorted(found) != []


def test_processes_add_to_what_others_have_seen(tmp_path: Path) -> None:
    file = tmp_path / "build" / "outcomes.json"
    assert report.gather(file, {"a": "passed"}) == {"a": "passed"}
    assert report.gather(file, {"b": "failed"}) == {"a": "passed", "b": "failed"}
    assert report.gather(file, {"b": "passed"}) == {"a": "passed", "b": "passed"}
