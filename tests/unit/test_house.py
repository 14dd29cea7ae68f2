"""Rules of the house that a machine can check."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
MODULES = sorted(SOURCE.rglob("*.py"))
SHARES = 8  # of the modules, to be tried beside each other

# Forks once per module, so that each is imported into an interpreter that has seen no other of ours. What others have
# written and takes long is there already.
IMPORT_EACH_ALONE = """
import importlib, os, sys
import aiohttp, asyncio, cryptography.x509, msgspec, prometheus_client, pyroute2, yaml
for name in sys.stdin.read().split():
    pid = os.fork()
    if pid == 0:
        try:
            importlib.import_module(name)
        except BaseException as error:
            print(f"{name}: {type(error).__name__}: {error}", flush=True)
        os._exit(0)
    os.waitpid(pid, 0)
"""

CLOCK = SOURCE / "longboat" / "aio" / "clock.py"
COMMANDS = SOURCE / "longboat" / "cli"  # a person waits for them, synchronously and in real time
TIME_CALLS = {
    ("time", "time"), ("time", "monotonic"), ("time", "sleep"), ("asyncio", "sleep"), ("asyncio", "timeout"),
    ("asyncio", "wait_for"), ("datetime", "now"), ("datetime", "utcnow"),
}  # fmt: skip


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("share", range(SHARES))
def test_every_module_imports_alone(share: int) -> None:
    names = "\n".join(module_name(path) for path in MODULES[share::SHARES] if path.name != "__main__.py")
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_EACH_ALONE], input=names, capture_output=True, text=True, timeout=110,
        env={"PYTHONPATH": str(SOURCE), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
    )  # fmt: skip
    assert done.stdout == ""
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("package", [p for p in MODULES if p.name == "__init__.py"], ids=module_name)
def test_every_package_says_what_belongs_in_it(package: Path) -> None:
    assert ast.get_docstring(ast.parse(package.read_text())), "an __init__ without a docstring"


def time_calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
        ):
            call = (node.func.value.id, node.func.attr)
            yields = call == ("asyncio", "sleep") and ast.unparse(node.args[0]) == "0"  # gives way, waits for nothing
            if call in TIME_CALLS and not yields:
                yield f"{path.relative_to(SOURCE)}:{node.lineno} {'.'.join(call)}"


def test_time_is_read_in_one_place_only() -> None:
    bound = [path for path in MODULES if path != CLOCK and COMMANDS not in path.parents]
    assert [call for path in bound for call in time_calls(path)] == []
