"""What a subresource is: a part of a resource's objects that has a path of its own. Said here once, for all readers.

The dispatcher, discovery, OpenAPI, authorization's verbs, deadlines, the audit trail and metrics go by it. What is
answered there is not said here: whoever can answer tells the dispatcher (`Dispatcher.answers`).
"""

from __future__ import annotations

from dataclasses import dataclass

from longboat.machinery.kinds import Kind

READ_WRITE = ("get", "patch", "update")
UPGRADES = frozenset(("GET", "POST"))  # upgrades begin with a GET from browsers
ANYTHING = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))  # OPTIONS is the backend's to answer


@dataclass(frozen=True, slots=True)
class Subresource:
    """`verbs` are what discovery names and, where nothing is connected to, what it understands.

    `body`: the kind of its requests and answers (APIResource's kind); None for objects of the resource itself.
    `view`: its reads and writes are the ordinary ones, of one part of the object (`Strategy.prepare_…` says which).
    `connects`: the methods by which a client is connected to something beyond the server (upstream's ConnectMethods);
    the verbs only say who may.
    """

    name: str
    verbs: tuple[str, ...]
    body: Kind | None = None
    view: bool = False
    connects: frozenset[str] = frozenset()
    long_running: bool = False  # no deadline, and no latency that says anything
    deep: bool = False  # its path goes on: that is the backend's
    text: bool = False  # its answer is text, no object
    listed: bool = True  # in discovery; else it is our own, and its handler checks who asks for what
    counts: bool = True  # its changes raise metadata.generation, where they change more than metadata and status


STATUS = Subresource("status", READ_WRITE, view=True)


def view(name: str, verbs: tuple[str, ...] = READ_WRITE) -> Subresource:
    return Subresource(name, verbs, view=True)


def stream(name: str, options: str) -> Subresource:
    """An upgraded connection; `options` names the kind that its query stands for."""
    return Subresource(name, ("create", "get"), Kind("", "v1", options, ""), connects=UPGRADES, long_running=True)


def proxy(options: str) -> Subresource:
    verbs = ("create", "delete", "get", "patch", "update")
    body = Kind("", "v1", options, "")
    return Subresource("proxy", verbs, body, connects=ANYTHING, long_running=True, deep=True)
