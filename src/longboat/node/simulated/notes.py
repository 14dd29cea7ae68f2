"""Behaviour that a pod's own annotations ask for."""

from __future__ import annotations

import math
from collections.abc import Mapping

from msgspec import json

from longboat.aio.cache import short_lru
from longboat.node.simulated.behaviour import BadBehaviour, Behaviour, Selector, Stage, read
from longboat.node.simulated.rules import NO_RULES, Rules
from longboat.node.simulated.script import Ending

PREFIX = "simulated.longboat.io/"
RUN_SECONDS = f"{PREFIX}run-seconds"  # how long each container runs
EXIT_CODE = f"{PREFIX}exit-code"  # with what it then ends
FAIL_PROBES = f"{PREFIX}fail-probes"  # names of containers whose probes fail, or "*"
BEHAVIOUR = f"{PREFIX}behaviour"  # a list of behaviours in JSON, about containers of this pod
LONGEST = 16 << 10  # characters of the last: they are read again for each container that starts


def rules(notes: Mapping[str, str], usual: Ending) -> Rules:
    """`usual` is how the container ends without them. Raises BadBehaviour, which names the annotation."""
    if not any(name.startswith(PREFIX) for name in notes):
        return NO_RULES
    ending = [] if {RUN_SECONDS, EXIT_CODE}.isdisjoint(notes) else [_ending(notes, usual)]
    return _rules(json.encode([ending, notes.get(FAIL_PROBES, ""), notes.get(BEHAVIOUR, "")]).decode())


def _ending(notes: Mapping[str, str], usual: Ending) -> Stage:
    """What one of the two does not say is as it would be without."""
    usually = usual.after if usual.after < math.inf else 0.0
    after = _number(RUN_SECONDS, notes) if RUN_SECONDS in notes else usually
    code = int(_number(EXIT_CODE, notes)) if EXIT_CODE in notes else usual.code
    return Stage(delay=after, exitCode=code)


def _number(name: str, notes: Mapping[str, str]) -> float:
    try:
        return float(notes[name])
    except ValueError as error:
        raise BadBehaviour(f'{name}: "{notes[name]}" is no number') from error


@short_lru(maxsize=64, longest=LONGEST)
def _rules(text: str) -> Rules:
    ending, fail_probes, behaviour = json.decode(text, type=tuple[tuple[Stage, ...], str, str])
    listed = [Behaviour(stages=ending)] if ending else []
    if names := tuple(name.strip() for name in fail_probes.split(",") if name.strip()):
        selector = Selector() if "*" in names else Selector(matchContainers=names)
        listed.append(Behaviour(selector=selector, stages=(Stage(started=False, ready=False, live=False),)))
    try:
        if len(behaviour) > LONGEST:
            raise BadBehaviour(f"must not have more than {LONGEST} characters")
        return Rules([*listed, *(read(behaviour) if behaviour else ())])
    except BadBehaviour as error:
        raise BadBehaviour(f"{BEHAVIOUR}: {error}") from error
