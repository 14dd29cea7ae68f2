"""What could not be put together or started: what was being done, what went wrong, what to do."""

from __future__ import annotations


class Failure(Exception):
    """`problem` is one line, `remedy` any number. A command that ends with it ends with exit code 1."""

    code = 1

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [f" ✗ {self.problem}", *("   " + line for line in self.remedy.splitlines())]
        return "\n".join(lines)
