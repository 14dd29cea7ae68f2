"""What command lines come to, as far as a simulation can tell."""

from __future__ import annotations

import math

import pytest

from longboat.node.simulated.commands import MOMENT, interpret
from longboat.node.simulated.script import NOTHING

CASES: list[tuple[list[str] | str, float, int, str, bool]] = [  # command, seconds, code, output, known
    ([], 0, 0, "", False),
    (["nginx", "-g", "daemon off;"], 0, 0, "", False),
    (["/bin/true"], 0, 0, "", True),
    (["false"], 0, 1, "", True),
    (["echo", "a", "b"], 0, 0, "a b\n", True),
    (["sleep", "5"], 5, 0, "", True),
    (["sleep", "1.5m", "1h"], 3690, 0, "", True),
    (["sleep", "infinity"], math.inf, 0, "", True),
    (["sleep", "soon"], 0, 0, "", False),
    (["/bin/bash", "-c", "exit 3"], 0, 3, "", True),
    (["python", "-c", "exit 3"], 0, 0, "", False),
    ("sleep 1; exit 3", 1, 3, "", True),
    ("echo 'a; b' && sleep 2\n\necho c", 2, 0, "a; b\nc\n", True),
    ("#!/bin/sh\necho a\n", 0, 0, "a\n", True),
    ("sleep 2 # a; b && c\nexit 3 # so", 2, 3, "", True),
    ("# only", 0, 0, "", True),
    ("echo a#b", 0, 0, "a#b\n", True),
    ("false; echo on", 0, 0, "on\n", True),
    ("false && echo never", 0, 1, "", True),
    ("false || true", 0, 0, "", True),
    ("true || exit 1", 0, 0, "", True),
    ("set -e; false; echo never", 0, 1, "", True),
    ("set -ex\nfalse || echo on", 0, 0, "on\n", True),
    ("exec sleep 7; exit 1", 7, 0, "", True),
    ("exec nginx", 0, 0, "", False),
    ("nginx -t || exit 1", 0, 0, "", False),
    ("test -f /ok && exit 1", 0, 0, "", False),
    ("echo a; until nslookup db; do sleep 2; done", 0, 0, "a\n", False),
    ("sleep 3; while true; do sleep 1; done", 3, 0, "", False),
    ("if [ -f /a ]; then exit 1; fi", 0, 0, "", False),
    ("redis-cli ping | grep PONG", 0, 0, "", False),
    ("echo hidden > /tmp/a; exit 1", 0, 0, "", False),
    ("(exit 1)", 0, 0, "", False),
    ("trap : TERM; sleep infinity & wait", 0, 0, "", False),
    ("echo $PART ${PART}x $OTHER", 0, 0, "2 2x \n", True),
    ("exit $CODE", 0, 0, "", False),
    ("echo $(date)", 0, 0, "", False),
    ("echo 'no end", 0, 0, "", False),
    ("exit 256", 0, 0, "", True),
    ("exit -1", 0, 0, "", False),
    ("x" * 100_000, 0, 0, "", False),
]


@pytest.mark.parametrize(("command", "seconds", "code", "output", "known"), CASES)
def test_commands(command: list[str] | str, seconds: float, code: int, output: str, known: bool) -> None:
    run = interpret(["sh", "-c", command] if isinstance(command, str) else command, {"PART": "2"})
    assert (run.seconds, run.code, run.known) == (seconds, code, known)
    assert run.answer.stdout.decode() == output


def test_what_is_not_known_runs_on_or_succeeds_after_a_moment() -> None:
    unknown = interpret(["sh", "-c", "echo begin; sleep 2; work"])
    assert unknown.script(completes=False).ending is None
    ending = unknown.script(completes=True).ending
    assert ending is not None and (ending.after, ending.code) == (2 + MOMENT, 0)
    assert unknown.script(completes=False).log == ((0.0, b"begin\n"),)


def test_what_runs_on_costs_nothing() -> None:
    assert interpret(["nginx"]).script(completes=False) is NOTHING
    assert interpret(["sleep", "infinity"]).script(completes=True) is NOTHING
