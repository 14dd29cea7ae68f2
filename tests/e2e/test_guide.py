"""The guide says what happens: every command in it is run, in its order, and prints what the page shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.host import Cluster
from images import build

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

GUIDE = Path(__file__).parents[2] / "docs" / "guide"
PAGES = sorted(path.stem for path in GUIDE.glob("*.md") if path.stem != "README")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\S+\.yaml)\n")


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """Language and content of each block."""
    for match in BLOCK.finditer((GUIDE / f"{page}.md").read_text()):
        yield match[1], match[2]


def commands(console: str) -> Iterator[tuple[str, str]]:
    """What is typed, and what is then to be seen."""
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        typed, _, seen = part.partition("\n")
        yield typed, seen.strip()


def looks_like(shown: str) -> re.Pattern[str]:
    """`…` stands for anything, and so does the width of columns."""
    pieces = [r"\s+".join(map(re.escape, piece.split())) for piece in shown.split("…")]
    return re.compile(r"\s*.*?\s*".join(pieces), re.DOTALL)


@pytest.fixture(scope="module")
def guided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster as `make up` leaves it: one node, and the hello image on it."""
    cluster = Cluster(tmp_path_factory.mktemp("guide"), 1)
    try:
        cluster.up()
        cluster.import_image(build.hello(tmp_path_factory.getbasetemp() / "hello.tar"))
        yield cluster
    finally:
        cluster.close()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_tells_what_happens(guided: Cluster, page: str, tmp_path: Path) -> None:
    try:
        assert follow(guided, page, tmp_path)
    finally:
        gone = ("--ignore-not-found", "--wait=false", "--grace-period=1")
        guided.kubectl("delete", "-f", str(tmp_path), *gone)


def follow(guided: Cluster, page: str, tmp_path: Path) -> int:
    """Do what the page says; how many commands it had."""
    ran = 0
    for language, content in blocks(page):
        if language == "yaml":
            name = FILE.match(content)
            assert name, f"a manifest of {page} does not say what its file is called"
            (tmp_path / name[1]).write_text(content)
            continue
        for typed, seen in commands(content):
            done = guided.host.run("sh", "-c", f"cd {tmp_path} && {typed}")
            assert done.code == 0, f"{typed}\n{done.out}{done.err}"
            assert looks_like(seen).fullmatch(done.out.strip()), f"$ {typed}\n{done.out}\nwas to look like\n{seen}"
            ran += 1
    return ran


def test_every_page_is_listed() -> None:
    listed = re.findall(r"\((\w+)\.md\)", (GUIDE / "README.md").read_text())
    assert sorted(listed) == PAGES
