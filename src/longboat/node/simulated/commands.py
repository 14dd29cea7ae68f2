"""What a command line does, as far as a simulation can tell: `true`, `false`, `echo`, `sleep`, `exit`, and a shell's
lists of them. Pure."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from longboat.node.simulated.script import NOTHING, Answer, Ending, Script

_SHELLS = ("sh", "bash", "ash", "dash")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}  # of sleep(1)
_AND, _OR, _NEXT = "&&", "||", ";"
_OPERATORS = frozenset(";&|<>()\n")
_SUBSTITUTION = re.compile(r"\$\(|`")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
LONGEST = 1 << 16  # characters of a script that are looked at


MOMENT = 1.0  # seconds that work takes of which nothing is known


class Run(msgspec.Struct, frozen=True):
    """It ends after so many seconds (never, where infinite) with this code, having said these lines after seconds.

    `known` is False where something comes then that cannot be told: a server perhaps, or work that takes its time.
    """

    seconds: float = 0.0
    code: int = 0
    said: tuple[tuple[float, bytes], ...] = ()
    known: bool = True

    def then(self, other: Run) -> Run:
        """One after the other."""
        later = tuple((self.seconds + at, line) for at, line in other.said)
        return Run(self.seconds + other.seconds, other.code, self.said + later, other.known)

    def script(self, completes: bool) -> Script:
        """Of a container that runs this. Work of which nothing is known succeeds after a moment if it `completes`."""
        after = self.seconds if self.known else self.seconds + MOMENT if completes else math.inf
        if after == math.inf and not self.said:
            return NOTHING
        return Script(ending=Ending(after, self.code) if after < math.inf else None, log=self.said or None)

    @property
    def answer(self) -> Answer:
        """To whoever has it run inside a container: what is not known succeeds at once."""
        return Answer(b"".join(line for _, line in self.said), b"", self.code, self.seconds)


UNKNOWN = Run(known=False)


def run(command: Sequence[str], env: Iterable[tuple[str, str]] = ()) -> Run:
    """Of a container whose environment this is: looked at only if something names a variable."""
    return interpret(command, dict(env) if any("$" in word for word in command) else {})


def interpret(command: Sequence[str], env: Mapping[str, str] | None = None) -> Run:
    """`env` are the variables that `echo` in a shell may name."""
    words = list(command)
    if not words:
        return UNKNOWN
    if len(words) >= 3 and _base(words[0]) in _SHELLS and words[1] in ("-c", "-ec", "-exc", "-euc", "-xc"):
        return _script(words[2], env or {}, "e" in words[1])
    return _simple(words)


def _script(text: str, env: Mapping[str, str], stops: bool) -> Run:
    """Commands in a row. `stops` at one that fails (`set -e`)."""
    if len(text) > LONGEST:
        return UNKNOWN
    lexer = shlex.shlex(text, posix=True, punctuation_chars="".join(_OPERATORS))
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    done, before, words = Run(), _NEXT, list[str]()
    try:
        tokens = [*_without_comments(lexer), _NEXT]
    except ValueError:  # a quotation without an end
        return UNKNOWN
    for token in tokens:
        if set(token) - _OPERATORS:
            words.append(token)
            continue
        operator = token.strip("\n") or _NEXT
        if operator not in (_AND, _OR, _NEXT):  # pipes, redirections, groups, what goes on behind
            return done.then(UNKNOWN)
        if words and (before == _NEXT or (before == _AND) == (done.code == 0)):
            step = _step(words, env)
            stops = stops or (words[0] == "set" and any(word[:1] == "-" and "e" in word for word in words[1:]))
            done = done.then(step)
            fails = stops and done.code and operator != _OR
            if not done.known or done.seconds == math.inf or words[0] in ("exit", "exec") or fails:
                return done
        before, words = operator, []
    return done


def _without_comments(tokens: Iterable[str]) -> Iterator[str]:
    comment = False
    for token in tokens:
        if comment and "\n" in token and not set(token) - _OPERATORS:
            comment = False
            yield "\n"
        elif not comment and token.startswith("#"):
            comment = True
        elif not comment:
            yield token


def _step(words: list[str], env: Mapping[str, str]) -> Run:
    """One command of a script."""
    if any(_SUBSTITUTION.search(word) for word in words):
        return UNKNOWN
    match words:
        case ["exit"] | ["set", *_]:
            return Run()
        case ["exit", code]:
            return Run(0.0, int(code) & 255) if code.isdecimal() and len(code) < 10 else UNKNOWN
        case ["exec", *rest]:
            return _simple(rest) if rest else Run()
    return _simple([_VARIABLE.sub(lambda found: env.get(found[1] or found[2], ""), word) for word in words])


def _simple(words: list[str]) -> Run:
    match _base(words[0]), words[1:]:
        case (("true" | ":"), _):
            return Run()
        case "false", _:
            return Run(0.0, 1)
        case "echo", said:
            return Run(said=((0.0, " ".join(said[1:] if said[:1] == ["-e"] else said).encode() + b"\n"),))
        case "sleep", [*spans] if spans:
            found = [_span(span) for span in spans]
            return UNKNOWN if None in found else Run(sum(each or 0.0 for each in found))
    return UNKNOWN


def _span(text: str) -> float | None:
    """As sleep(1) reads it; None for what it would refuse."""
    if text in ("inf", "infinity"):
        return math.inf
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{0,12})?|\.\d{1,12})([smhd]?)", text, re.ASCII)
    return float(found[1]) * _UNITS[found[2] or "s"] if found else None


def _base(path: str) -> str:
    return path.rpartition("/")[2]
