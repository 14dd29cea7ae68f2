"""What is claimed is found, what ended badly is said, and every claim belongs to a group of the suite."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conformance import report
from conformance.report import Claim, Outcome

FOLDER = Path(report.__file__).parent


def test_claims_are_read_from_docstrings(tmp_path: Path) -> None:
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "test_x.py").write_text(
        'def test_a():\n    """Conformance: B, c\n\n    More."""\n\ndef test_b():\n    """Something else."""\n'
    )
    assert report.claims(tmp_path) == [Claim("apps", "B, c", "test_x.py::test_a", "More.")]


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
    ends = [Outcome("passed", "nodes"), Outcome("failed", "nodes")]
    said = report.text(claimed, {f"apps/{claim.test}": end for claim, end in zip(claimed, ends, strict=True)})
    assert "| sig-apps | 60 | 2 | 1 | 0 | 0 |" in said
    assert "| A (1) | `t.py::a` | passed on nodes |" in said and "| A (2) | `t.py::a` | failed |" in said


def test_the_report_counts_what_passed_and_where() -> None:
    claimed = [Claim("apps", entry, f"t.py::{entry}", "For it takes days.") for entry in "ABCDE"]
    claimed += [Claim("node", "F", "t.py::F")]
    ends = {"A": Outcome("passed", "nodes"), "B": Outcome("failed", "nodes"), "C": Outcome("passed", "played")}
    ends |= {"D": Outcome("passed", "API"), "E": Outcome("skipped", "API")}
    said = report.text(claimed, {f"apps/t.py::{entry}": end for entry, end in ends.items()})
    assert "| sig-apps | 60 | 5 | 1 | 1 | 1 |" in said and "| sig-node | 106 | 1 | 0 | 0 | 0 |" in said
    assert "| **all** | **446** | **6** | **1** | **1** | **1** |" in said
    assert "| B | `t.py::B` | failed |" in said and "| F | `t.py::F` | not run |" in said
    assert "| C | `t.py::C` | passed, with a node that is played: For it takes days. |" in said
    assert "| A | `t.py::A` | passed on nodes |" in said and "| D | `t.py::D` | passed |" in said
    assert "## sig-cli" not in said


@pytest.mark.parametrize(
    ("one", "other", "worse"),
    [
        (Outcome("passed", "nodes"), Outcome("failed", "nodes"), Outcome("failed", "nodes")),
        (Outcome("skipped", "API"), Outcome("passed", "played"), Outcome("skipped", "played")),
        (Outcome("passed", "nodes"), Outcome("passed", "API"), Outcome("passed", "API")),
    ],
)
def test_a_test_is_as_good_as_its_worst_parameter(one: Outcome, other: Outcome, worse: Outcome) -> None:
    assert report.worse(one, other) == report.worse(other, one) == worse


def test_what_nobody_knows_the_place_of_is_taken_for_played() -> None:
    assert Outcome("passed").said == "passed, with a node that is played"


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
    file, good, bad = tmp_path / "build" / "outcomes.json", Outcome("passed", "nodes"), Outcome("failed", "API")
    assert report.gather(file, {"a": good}) == {"a": good}
    assert report.gather(file, {"b": bad}) == {"a": good, "b": bad}
    assert report.gather(file, {"b": good}) == {"a": good, "b": good}


ENTRIES = """
from conformance.stage import inside, on_nodes
from integration.workloads import add_node, run_pods

C = {"name": "c", "image": "i"}
POD = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": {"containers": [C]}}

@inside
async def test_api(cluster):
    await cluster.apply(POD)
    assert (await cluster.get("pod/p"))["status"]["phase"] == "Pending"

@inside
async def test_status(cluster):
    await cluster.apply(POD)
    await cluster.patch("pod/p", {"status": {"phase": "Failed"}}, subresource="status")

@on_nodes()
async def test_nodes(cluster):
    pass

@inside
async def test_a_failure_after(cluster):
    await add_node(cluster, "n")
    assert False

def test_nobody_knows():
    pass

def test_real(cluster):
    pass
"""


def test_it_is_seen_where_an_entry_is_shown(tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "conformance" / "apps"
    folder.mkdir(parents=True)
    (folder / "test_x.py").write_text(ENTRIES)
    (folder / "conftest.py").write_text("import pytest\n\n@pytest.fixture\ndef cluster(): pass\n")
    hooks = "from conformance.conftest import pytest_runtest_setup, pytest_runtest_logreport\n"
    hooks += "import json, conformance.conftest as c\n"
    hooks += "def pytest_sessionfinish(): open('seen.json', 'w').write(json.dumps(c.outcomes))\n"
    (tmp_path / "conftest.py").write_text(hooks)
    command = [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib", "-p", "no:cacheprovider", "-c/dev/null"]
    paths = ["--rootdir=.", "-o", f"pythonpath={FOLDER.parents[1] / 'src'} {FOLDER.parent}", str(folder)]
    subprocess.run([*command, *paths], capture_output=True, cwd=tmp_path, check=False)
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert {name.partition("::")[2]: end for name, end in seen.items()} == {
        "test_api": ["passed", "API"],
        "test_status": ["passed", "played"],
        "test_nodes": ["passed", "played"],
        "test_a_failure_after": ["failed", "played"],
        "test_nobody_knows": ["passed", "played"],
        "test_real": ["passed", "nodes"],
    }


def test_the_first_page_claims_no_more_than_the_report_says() -> None:
    rows = [line.replace("*", "").split("|")[1:-1] for line in report.TARGET.read_text().splitlines() if "|" in line]
    counts = {row[0].strip(): [int(n) for n in row[1:]] for row in rows if len(row) == 6 and row[1].strip().isdigit()}
    total, tested, nodes, alone, _ = counts["all"]
    claim = " ".join((report.TARGET.parents[1] / "README.md").read_text().split())
    assert f"Each of the {total} entries" in claim
    assert tested == total, "each has a test"
    assert nodes > total / 2 and nodes > alone, "most of them with real nodes and containers"
