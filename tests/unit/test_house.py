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

OUTSIDE = [path for part in ("bench", "examples", "tests", "tools") for path in (SOURCE.parent / part).rglob("*.py")]
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


def named(path: Path) -> set[str]:
    """What a module defines or imports at its top level, wherever it is nested there."""
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return found


def test_what_is_imported_from_outside_is_there() -> None:
    """Benchmarks, examples and long tests run rarely: they must not find out then what has moved meanwhile."""
    modules = {module_name(path): path for path in MODULES}
    names, missing = {name: set[str]() for name in modules}, list[str]()
    for path in OUTSIDE:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("longboat"):
                continue
            assert node.module
            if node.module not in modules:
                missing.append(f"{path.relative_to(SOURCE.parent)}: {node.module}")
                continue
            names[node.module] = names[node.module] or named(modules[node.module])
            missing += (
                f"{path.relative_to(SOURCE.parent)}: {node.module}.{alias.name}"
                for alias in node.names
                if alias.name not in names[node.module] and f"{node.module}.{alias.name}" not in modules
            )
    assert missing == []


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
