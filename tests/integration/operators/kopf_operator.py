"""Operators of kopf's examples: a process for each, in a namespace of its own, and what it has said."""

from __future__ import annotations

import collections
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from integration.cli.machine import Machine

NAME = "kopf-example-1"  # of the object in examples/obj.yaml
DONE = ("Root tasks are stopped", "Hung tasks")


class Nursery:
    """Starts operators on a machine (`nursery.py`)."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        script = str(Path(__file__).with_name("nursery.py"))
        self._process = machine.host.start(sys.executable, script, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, **order: Any) -> int:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


class Operator:
    """`kopf run` of an example's file as it is, watching one namespace."""

    def __init__(self, nursery: Nursery, example: Path, namespace: str, *options: str, beside: str = "") -> None:
        """`beside`: a file whose handlers come after the example's."""
        self.example, self.namespace = example, namespace
        self._nursery, self._machine = nursery, nursery.machine
        self._log = nursery.machine.host.folder / f"{namespace}-{len(options)}.log"
        self._log.touch()
        arguments = ["run", "--verbose", "--namespace", namespace, *options, str(example / "example.py")]
        arguments += [beside] if beside else []
        self._pid = nursery.ask(run=arguments, folder=str(example.parents[1]), log=str(self._log))
        self._code: int | None = None

    @property
    def log(self) -> str:
        return self._log.read_text()

    def says(self, pattern: str, seconds: float = 60) -> re.Match[str]:
        """Once it has said so."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := re.search(pattern, self.log):
                return found
            assert self._lives(), self.log[-5000:]
            time.sleep(0.05)
        raise AssertionError(f"{self.example.name} has not said {pattern!r}:\n{self.log[-5000:]}")

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        return self._machine.host.run("kubectl", "--namespace", self.namespace, *args, stdin=stdin).ok().out

    def get(self) -> Any:
        return json.loads(self.kubectl("get", "kopfexamples", NAME, "-o", "json"))

    def remove(self) -> None:
        """Delete the object: the operator lets it go."""
        self.kubectl("delete", "kopfexamples", NAME, "--timeout=20s")

    def end(self) -> None:
        """Ask it to end. Returns at once."""
        if self._code is None:
            os.kill(self._pid, signal.SIGTERM)

    def ended(self) -> int:
        """The exit code."""
        if self._code is None:
            self._code = self._nursery.ask(wait=self._pid)
        return self._code

    def _lives(self) -> bool:
        return " Z " not in Path(f"/proc/{self._pid}/stat").read_text()


def their_checks(sources: Path) -> ModuleType:
    """kopf's own end-to-end test of its examples: what it knows of each."""
    spec = importlib.util.spec_from_file_location("kopf_e2e", sources / "tests" / "e2e" / "test_examples.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def check(operator: Operator, theirs: ModuleType, again: Iterable[str] = ()) -> None:
    """What kopf's own end-to-end test asserts of any example's log, once its object has come and gone.

    `again`: handlers that have had reason to run more than once.
    """
    path = operator.example / "example.py"
    parser = theirs.E2EParser(str(path))
    config = theirs.CONFIGS.get(f"examples/{operator.example.name}/example.py", theirs.E2EConfig())
    log, who = operator.log, f"[{operator.namespace}/{NAME}]"
    if parser.has_mandatory_on_delete:
        assert f"{who} Adding the finalizer" in log
        assert f"{who} Deletion is in progress:" in log
    if parser.has_on_create:
        assert f"{who} Creation is in progress:" in log
    if parser.has_changing_handlers:
        assert f"{who} Deleted, really deleted" in log
    if not config.allow_tracebacks:
        assert "Traceback (most recent call last):" not in log
    for outcome, expected in (
        (r"'(.+?)' succeeded", config.success_counts),
        (r"'(.+?)' failed (?:permanently|with an exception and will stop)", config.failure_counts),
    ):
        counts = collections.Counter(re.findall(outcome, log))
        if expected is not None:
            assert {name: counts[name] for name in expected} == expected
        else:
            assert {name for name in counts if counts[name] > 1} <= set(again), counts
