"""What tests of entries on real nodes share; and the report on all entries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance import report, stage
from conformance.beside import Scenes, started
from conformance.node.api import Api, proxied
from conformance.node.pods import Pods, namespaced
from e2e.host import Cluster

HERE = Path(__file__).parent
OUTCOMES = HERE.parents[1] / "build" / "conformance.json"
outcomes: dict[str, report.Outcome] = {}


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> Iterator[Api]:
    with proxied(cluster) as api:
        yield api


@pytest.fixture(scope="module")
def pods(cluster: Cluster, api: Api, request: pytest.FixtureRequest) -> Iterator[Pods]:
    """A namespace for a module, in which every object its list `START` names has been made."""
    file = Path(request.module.__file__)
    name = f"{file.parent.name}-{file.stem.removeprefix('test_').replace('_', '-')}"
    with namespaced(cluster, api, name) as pods:
        pods.create(*getattr(request.module, "START", ()))
        yield pods


@pytest.fixture(scope="module")
def scenes(cluster: Cluster, api: Api, request: pytest.FixtureRequest) -> Iterator[Scenes]:
    with started(cluster, api, request) as scenes:
        yield scenes


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if where := stage.where_of(item):
        item.user_properties.append((stage.WHERE, where))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if "tests/conformance/" in report.nodeid and (report.when == "call" or report.outcome != "passed"):
        _note(report.nodeid, report.outcome, dict(report.user_properties).get(stage.WHERE, "played"))


def _note(nodeid: str, ended: str, where: object) -> None:
    name, outcome = report.name_of(nodeid), report.Outcome(ended, str(where))
    outcomes[name] = report.worse(outcome, outcomes.get(name, outcome))


def pytest_sessionfinish() -> None:
    """`make test` runs the tests in several processes: the last to end knows of all of them, and says what holds."""
    if not outcomes:
        return
    claimed = report.claims(HERE)
    everything = report.gather(OUTCOMES, outcomes)
    if all(f"{claim.group}/{claim.test}" in everything for claim in claimed):
        report.TARGET.write_text(report.text(claimed, everything))
