"""How a command fails: what was being done, what went wrong, what to do."""

from __future__ import annotations


class Failure(Exception):
    """The command could not do its work (exit code 1). `problem` is one line, `remedy` any number."""

    code = 1

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [f" ✗ {self.problem}", *("   " + line for line in self.remedy.splitlines())]
        return "\n".join(lines)


class Usage(Failure):
    """The command line makes no sense (exit code 2)."""

    code = 2
