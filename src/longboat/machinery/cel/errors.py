"""What is wrong with an expression: before it runs, with where; and when it runs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from longboat.machinery.cel.types import Type

MOST_SHOWN = 100  # issues of one expression


class EvalError(Exception):
    """The expression has no value for these variables; the message is cel-go's."""

    @property
    def message(self) -> str:
        return str(self)


class Waiting(Exception):
    """It takes an answer that somebody else has to give. Once `ask` is over, the expression is evaluated anew."""

    def __init__(self, ask: Callable[[], Awaitable[None]]) -> None:
        super().__init__("somebody has to be asked")
        self.ask = ask


class CostExceeded(Exception):
    """The expression costs more than it may."""

    def __init__(self) -> None:
        super().__init__("operation cancelled: actual cost limit exceeded")

    @property
    def message(self) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class Issue:
    """`line` from 1, `column` from 0, in code points."""

    line: int
    column: int
    message: str


@dataclass(slots=True)
class Issues:
    """All that is wrong with one expression."""

    source: str
    found: list[Issue] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.found)

    def add(self, position: int, message: str) -> None:
        """`position` is an offset in code points; one below zero is nowhere."""
        if position < 0:
            self.found.append(Issue(-1, 0, message))
            return
        if not self.source:
            self.found.append(Issue(1, -1, message))  # the end of nothing is before its beginning
            return
        if not self._starts:
            self._starts = [0, *(i + 1 for i, sign in enumerate(self.source) if sign == "\n")]
        line = bisect_right(self._starts, position)
        self.found.append(Issue(line, position - self._starts[line - 1], message))

    def __str__(self) -> str:
        """As upstream prints them: by place, each with its line and a mark below it."""
        lines = self.source.split("\n")
        shown = [
            _shown(issue, lines)
            for issue in sorted(self.found, key=lambda issue: (issue.line, issue.column))[:MOST_SHOWN]
        ]
        if len(self.found) > MOST_SHOWN:
            shown.append(f"{len(self.found) - MOST_SHOWN} more errors were truncated")
        return "\n".join(shown)


def _shown(issue: Issue, lines: list[str]) -> str:
    text = f"ERROR: <input>:{issue.line}:{issue.column + 1}: {issue.message}"
    if not 0 < issue.line <= len(lines) or issue.column < 0:
        return text
    line = lines[issue.line - 1].replace("\t", " ")
    dots = "".join("." if sign.isascii() else "．" for sign in line[: issue.column])
    under = line[issue.column : issue.column + 1]
    return f"{text}\n | {line}\n | {dots}{'^' if under.isascii() else '＾'}"


class CompileError(Exception):
    """The expression cannot be used. `issues` is empty where only its constants could not be computed; `result` is the
    type of such an expression."""

    def __init__(self, message: str, issues: tuple[Issue, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.issues = issues
        self.result: Type | None = None
