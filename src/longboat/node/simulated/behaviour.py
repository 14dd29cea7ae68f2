"""Simulated behaviour as data: which containers, and what becomes of them when.

A `Behaviour` is what a rule file lists, an annotation holds and a test fills in. Field names are those of the files.
As in KWOK's Stages, a selector says whom it is about, and each stage follows the one before it after a delay.

    {"selector": {"matchLabels": {"app": "web"}},
     "stages": [{"delay": "1s", "ready": true}, {"delay": "5m", "exitCode": 137, "reason": "OOMKilled"}]}
"""

from __future__ import annotations

import msgspec

from longboat.machinery import duration

Duration = float | str
"""Seconds, or Go's way to write a span of time: `1m30s`."""


class BadBehaviour(ValueError):
    """A behaviour that cannot be understood; the text says what of it."""


class Requirement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of a metav1.LabelSelector's matchExpressions."""

    key: str
    operator: str  # In NotIn Exists DoesNotExist
    values: tuple[str, ...] = ()


class Selector(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Containers for which all that is given holds; an empty one is for every container."""

    matchNamespaces: tuple[str, ...] = ()
    matchNames: tuple[str, ...] = ()  # of pods
    matchLabels: dict[str, str] = {}  # of pods
    matchExpressions: tuple[Requirement, ...] = ()
    matchImages: tuple[str, ...] = ()  # as the pod names them; `*` stands for anything
    matchContainers: tuple[str, ...] = ()  # by name
    attempts: int | None = None  # only in so many first attempts: 1 is for a container that was never restarted


class Stage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes `delay`, and by up to `jitter` more, after the stage before it; the first, after the start.

    What one stage changes stays until another does. What a stage says to become true was false until then, and the
    other way round: `{"delay": "30s", "ready": true}` is a container that is not ready in its first half minute.
    """

    delay: Duration = 0.0
    jitter: Duration = 0.0
    started: bool | None = None  # whether the startup probe succeeds
    ready: bool | None = None  # whether the readiness probe succeeds; without one, whether the container is ready
    live: bool | None = None  # whether the liveness probe succeeds
    exitCode: int | None = None  # it ends
    reason: str = ""  # why it has ended, as statuses have it: OOMKilled; "" for Completed or Error
    message: str = ""  # its termination message
    running: bool | None = None  # true: it does not end by itself, whatever its command says
    log: str = ""  # lines it writes to its standard output
    usage: dict[str, str] | None = None  # what it uses from now on: {"cpu": "250m", "memory": "64Mi"}


class Exec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The answer to commands that begin with these words, by exec, by an exec probe or a hook."""

    command: tuple[str, ...] = ()
    stdout: str = ""
    stderr: str = ""
    exitCode: int = 0
    delay: Duration = 0.0


class Behaviour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the containers that a selector finds do. Of several about the same container, the last that speaks of a
    thing (its end, its readiness, its log…) decides about that thing."""

    selector: Selector = Selector()
    stages: tuple[Stage, ...] = ()
    execs: tuple[Exec, ...] = ()


def read(text: str) -> list[Behaviour]:
    """A list of behaviours in JSON. Raises BadBehaviour."""
    try:
        return msgspec.json.decode(text, type=list[Behaviour])
    except msgspec.MsgspecError as error:
        raise BadBehaviour(str(error)) from error


def seconds(span: Duration) -> float:
    """Never negative, never infinite. Raises BadBehaviour."""
    try:
        found = duration.parse(span) if isinstance(span, str) else float(span)
    except ValueError as error:
        raise BadBehaviour(str(error)) from error
    if not 0 <= found <= LONGEST:
        raise BadBehaviour(f"{span!r} is not between 0 and {LONGEST:.0f} seconds")
    return found


LONGEST = 1e9  # seconds, thirty years: later than anything that is waited for
