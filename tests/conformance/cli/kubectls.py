"""kubectl as others have built it: what this machine has, and v1.36."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from subprocess import PIPE
from typing import Any

from conformance.node.pods import until
from conformance.work import Work
from e2e.host import Done
from published import published


@dataclass(frozen=True)
class Kubectl:
    """In the namespace of a scene."""

    work: Work
    binary: str

    def __call__(self, *args: str, stdin: Any = None) -> str:
        """What it prints, given that it succeeds. `stdin`: an object, or text."""
        return self.ends(*args, stdin=stdin).ok().out

    def ends(self, *args: str, stdin: Any = None) -> Done:
        text = stdin if stdin is None or isinstance(stdin, str) else json.dumps(stdin)
        return self.work.cluster.host.run(self.binary, "--namespace", self.work.namespace, *args, stdin=text)

    @contextmanager
    def saying(self, *args: str) -> Iterator[str]:
        """The first line of what one prints that goes on meanwhile."""
        process = self.work.cluster.host.start(self.binary, *args, stdout=PIPE, stderr=PIPE)
        try:
            assert process.stdout is not None
            yield process.stdout.readline()
        finally:
            process.terminate()
            process.communicate(timeout=10)


def newest(work: Work) -> Kubectl:
    return Kubectl(work, str(published("helm-4.2") / "kubectl"))


def each(work: Work) -> list[Kubectl]:
    return [newest(work), Kubectl(work, "kubectl")]


def in_order(output: str, *wanted: tuple[str, ...]) -> None:
    """Lines follow each other, each with all of its words."""
    lines = iter(output.splitlines())
    for first, *rest in wanted:
        line = next((line for line in lines if first in line), None)
        assert line is not None, f"no line says {first!r}, or not in its place: {output}"
        assert all(word in line for word in rest), f"{line!r} lacks some of {rest}"


def running(work: Work, labels: str, count: int = 1) -> list[str]:
    """Wait for so many pods, all ready; their names."""
    return list(work.all_ready(count, labels))


def gone(kubectl: Kubectl, labels: str) -> None:
    """Nothing with these labels is left, but for pods that are on their way out."""
    assert kubectl("get", "rc,svc", "-l", labels, "--no-headers") == ""
    template = "{{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}}{{end}}{{end}}"
    until(lambda: kubectl("get", "pods", "-l", labels, "-o", f"go-template={template}") == "", "pods are left")
