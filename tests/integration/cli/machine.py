"""A machine of its own for a cluster without nodes, and the `longboat` command on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.host import LONGBOAT, Done, Host


class Machine:
    """A host with the `longboat` command, and a cluster without nodes unless told otherwise."""

    def __init__(self, folder: Path) -> None:
        self.host = Host(folder)
        self.data = folder / "data"

    def up(self, *flags: str, nodes: int = 0) -> Done:
        return self.longboat("up", "--nodes", str(nodes), "--no-egress", "--data-dir", str(self.data), *flags)

    def longboat(self, *args: str) -> Done:
        return self.host.run(*LONGBOAT, *args)

    def status(self) -> Any:
        return json.loads(self.longboat("status", "--output", "json").out)

    def pids(self) -> dict[str, int]:
        return {process["name"]: process["pid"] for process in self.status()["processes"]}

    def kubectl(self, *args: str) -> Done:
        return self.host.run("kubectl", *args)

    def create(self, name: str, *flags: str) -> None:
        """A ConfigMap of that name, holding a: b."""
        manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}}
        self.host.run("kubectl", *flags, "create", "-f", "-", stdin=json.dumps(manifest)).quiet()

    def close(self) -> None:
        try:
            self.longboat("down", "--data-dir", str(self.data), "--purge").ok()
        finally:
            self.host.close()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.close()


def failed(done: Done, *words: str) -> None:
    """It exited with 1, said these words, and no traceback."""
    assert done.code == 1, done
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err, done.err
