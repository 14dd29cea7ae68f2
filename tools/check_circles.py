"""Fails where modules import each other in a circle, be it only for annotations or inside a function; names the ways.

python tools/check_circles.py [DIRECTORY]      (default: src)

A circle says that two files are one thing, or that what both need has no place of its own. Layers are the matter of
import-linter, which passes over circles within a package.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

Imports = dict[str, set[str]]


def modules(root: Path) -> dict[str, Path]:
    """Files by the names they are imported by."""
    found = {}
    for path in root.rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(root: Path) -> Imports:
    """Which modules of the tree each module imports, anywhere in it. Relative imports are none of ours (ruff's TID)."""
    known = modules(root)
    found: Imports = {}
    for name, path in known.items():
        wanted = set()
        for node in ast.walk(ast.parse(path.read_text(), str(path))):
            if isinstance(node, ast.Import):
                wanted |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    wanted.add(whole if whole in known else node.module)
        found[name] = wanted & known.keys() - {name}
    return found


def reached(graph: Imports, start: str) -> set[str]:
    """All that a module leads to."""
    seen, waiting = set[str](), [start]
    while waiting:
        for other in graph[waiting.pop()] - seen:
            seen.add(other)
            waiting.append(other)
    return seen


def circles(graph: Imports) -> Iterator[frozenset[str]]:
    """Sets of modules each of which leads to all others."""
    leads = {name: reached(graph, name) for name in graph}
    done = set[str]()
    for name in sorted(graph):
        if name in leads[name] and name not in done:
            circle = frozenset(other for other in leads[name] if name in leads[other])
            done |= circle
            yield circle


def main(arguments: list[str]) -> int:
    graph = imports(Path(arguments[0] if arguments else "src"))
    found = list(circles(graph))
    for circle in found:
        print("a circle of imports: what do these need of each other, and where could it stand?", file=sys.stderr)
        for name in sorted(circle):
            print(f"  {name} -> {', '.join(sorted(graph[name] & circle))}", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
