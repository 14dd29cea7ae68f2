"""How to add to the house works as the pages say it: their diffs apply to the sources, and do what they show."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "extending"
# Each diff rests on those before it.
ORDER = ("kind", "subresource", "controller", "admission-plugin", "volume-type")
RUN = """
import asyncio, json, sys, warnings
from pathlib import Path

import pytest

from longboat.aio.clock import SystemClock
from longboat.api import kinds
from longboat.client.interface import Key
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.node.cri.memory import MemoryRuntime
from longboat.node.errors import Unmounted
from longboat.node.make.fields import Surroundings
from longboat.registry.catalog import plain
from longboat.testing.cluster import Cluster
from unit.node.build import Node, pod

warnings.simplefilter("error")


async def main(folder):
    async with asyncio.timeout(60):
        async with Cluster() as cluster:
            for page, text in CHECKS.items():
                names = dict(globals())
                exec(compile(text, page, "exec"), names)
                for name in [name for name in names if name.startswith("check")]:
                    if "Node" not in names[name].__annotations__.values():
                        await names[name](cluster)
                        continue
                    clock = SystemClock()
                    node = Node(MemoryRuntime(clock, "10.0.0.0/24"), clock, folder, on_disk=True)
                    await names[name](node, folder)
                    await node.close()
                print(page, flush=True)


asyncio.run(main(Path(sys.argv[1])))
"""


def block(page: str, language: str) -> str:
    return "\n".join(
        re.findall(rf"^```{language}\n(.*?)^```", (PAGES / f"{page}.md").read_text(), re.MULTILINE | re.DOTALL)
    )


def costs(page: str) -> tuple[int, int, int, int]:
    """Files, new files, lines added, lines added to files that were there."""
    files = re.split(r"^diff --git ", block(page, "diff"), flags=re.MULTILINE)[1:]
    added = [len(re.findall(r"^\+(?!\+\+ )", each, re.MULTILINE)) for each in files]
    new = ["\nnew file mode" in each for each in files]
    return len(files), sum(new), sum(added), sum(count for count, fresh in zip(added, new, strict=True) if not fresh)


def test_the_table_says_what_the_diffs_cost() -> None:
    table = (PAGES / "README.md").read_text()
    rows = [
        f"| [a {page.replace('-', ' ')}]({page}.md) | " + " | ".join(map(str, costs(page))) + " |" for page in ORDER
    ]
    assert [row for row in rows if row.replace("[a admission", "[an admission") not in table] == []


def test_the_pages_do_what_they_say(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for page in ORDER:
        done = subprocess.run(
            ["git", "apply", "-C1", "-"], input=block(page, "diff"), cwd=tmp_path, capture_output=True, text=True,
            env={"PATH": "/usr/bin:/bin", "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)},
        )  # fmt: skip
        assert done.returncode == 0, f"docs/extending/{page}.md no longer fits the sources: {done.stderr}"
    checks = {page: "from __future__ import annotations\n" + block(page, "python") for page in ORDER}
    done = subprocess.run(
        [sys.executable, "-c", f"CHECKS = {checks!r}\n{RUN}", str(tmp_path / "node")],
        capture_output=True, text=True, timeout=90,
        env={"PYTHONPATH": f"{tmp_path / 'src'}:{ROOT / 'tests'}", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == list(ORDER)
