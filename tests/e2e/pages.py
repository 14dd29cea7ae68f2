"""Follows a page of the guide: what it has typed, and what is then to be seen."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

from e2e.host import Host

GUIDE = Path(__file__).parents[2] / "docs" / "guide"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\S+\.(?:yaml|py))\n")


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


# What is waited for on a page for no other reason than that it is so in the world: no claim is made of it.
HASTENED = {
    "extension-servers": {"initialDelaySeconds: 20": "initialDelaySeconds: 1", "periodSeconds: 10": "periodSeconds: 1"}
}


def write(page: str, content: str, folder: Path) -> None:
    """A file that the page shows, where its first line says."""
    for slow, fast in HASTENED.get(page, {}).items():
        content = content.replace(slow, fast)
    name = FILE.match(content)
    assert name, f"a file of {page} does not say what it is called"
    path = folder / name[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def follow(host: Host, page: str, folder: Path) -> int:
    """Do what the page says; how many commands it had."""
    ran = 0
    for language, content in blocks(page):
        if language in ("yaml", "python"):
            write(page, content, folder)
            continue
        for typed, seen in commands(content):
            done = host.run("sh", "-c", f"cd {folder} || exit\n{typed}")
            assert done.code == 0, f"{typed}\n{done.out}{done.err}"
            assert looks_like(seen).fullmatch(done.out.strip()), f"$ {typed}\n{done.out}\nwas to look like\n{seen}"
            ran += 1
    return ran


def leave(folder: Path) -> None:
    """End what a page has started and not ended, where it fell short: it notes its processes in files."""
    for path in folder.glob("*.pid"):
        with contextlib.suppress(ProcessLookupError, ValueError):
            os.kill(int(path.read_text()), signal.SIGTERM)
