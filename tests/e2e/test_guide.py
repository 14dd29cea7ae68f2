"""The guide says what happens: every command in it is run, in its order, and prints what the page shows."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.host import Cluster
from e2e.pages import GUIDE, follow, leave
from images import build, debian, extension
from published import published

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

ELSEWHERE = ["simulated-nodes"]  # followed where there are some: tests/integration/cli/test_up.py
PAGES = sorted(path.stem for path in GUIDE.glob("*.md") if path.stem not in ("README", *ELSEWHERE))


@pytest.fixture(scope="module")
def guided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster as `make up` leaves it: one node, and the images that pages use on it."""
    cluster = Cluster(tmp_path_factory.mktemp("guide"), 1)
    try:
        tools = (str(published("helm-4.2")), str(Path(sys.executable).parent))  # behind the machine's own
        cluster.host.environment["PATH"] = ":".join((os.environ["PATH"], *tools))
        cluster.up()
        cluster.import_image(build.hello(tmp_path_factory.getbasetemp() / "hello.tar"))
        cluster.import_image(debian.build(("python",))["python"])
        cluster.import_image(extension.build(("metrics-server",))["metrics-server"])
        yield cluster
    finally:
        cluster.close()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_tells_what_happens(guided: Cluster, page: str, tmp_path: Path) -> None:
    (tmp_path / "kopf").symlink_to(published("kopf"))
    try:
        assert follow(guided.host, page, tmp_path)
    finally:
        leave(tmp_path)
        gone = ("--ignore-not-found", "--wait=false", "--grace-period=1")
        guided.kubectl("delete", "-f", str(tmp_path), *gone)


def test_every_page_is_listed() -> None:
    listed = re.findall(r"\(([\w-]+)\.md\)", (GUIDE / "README.md").read_text())
    assert sorted(listed) == sorted([*PAGES, *ELSEWHERE])
