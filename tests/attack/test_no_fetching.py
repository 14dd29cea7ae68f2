"""Nothing that works for users opens connections of its own: no URL that one of them writes is fetched (lesson 10)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import longboat

SOURCE = Path(longboat.__file__).parent
WORKERS = ("controllers", "scheduler", "registry", "api")
DIALLING = frozenset(("aiohttp", "grpc", "http.client", "httpx", "requests", "socket", "ssl", "urllib.request"))
OPENING = frozenset(("create_connection", "create_datagram_endpoint", "open_connection", "open_unix_connection"))


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def test_controllers_reach_the_api_alone() -> None:
    """CVE-2020-8555: a StorageClass's endpoint, an image, a webhook's address stay words to them."""
    files = [file for worker in WORKERS for file in (SOURCE / worker).rglob("*.py")]
    assert len(files) > 250
    found = []
    for file in files:
        tree = ast.parse(file.read_text())
        opened = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & OPENING
        imported = {name for name in imports(tree) if name in DIALLING or name.split(".")[0] in DIALLING}
        found += [f"{file.relative_to(SOURCE)}: {name}" for name in sorted(opened | imported)]
    assert found == []
