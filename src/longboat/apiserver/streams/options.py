"""What a connection asks for, as the object that its query stands for (core/v1 PodExecOptions and its like)."""

from __future__ import annotations

from collections.abc import Mapping

from longboat.apiserver.request import Request
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object

FLAGS, TEXTS, LISTS, NUMBERS = "flags", "texts", "lists", "numbers"

_OF_CONTAINERS = {FLAGS: ("stdin", "stdout", "stderr", "tty"), TEXTS: ("container",)}
_FIELDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "PodExecOptions": {**_OF_CONTAINERS, LISTS: ("command",)},
    "PodAttachOptions": _OF_CONTAINERS,
    "PodPortForwardOptions": {NUMBERS: ("ports",)},
}
PROXIED = 3  # resource, name, "proxy"; what follows is the backend's


def options_of(request: Request, kind: Kind) -> Object:
    """Fields that the query leaves out, or says nothing with, are absent. A proxy's options are its path."""
    made: Object = {"kind": kind.name, "apiVersion": kind.api_version}
    fields = _FIELDS.get(kind.name)
    if fields is None:
        path = "/".join(request.info.parts[PROXIED:])
        return {**made, "path": f"/{path}"} if path else made
    made |= {name: True for name in fields.get(FLAGS, ()) if request.flag(name)}
    made |= {name: request.arg(name) for name in fields.get(TEXTS, ()) if request.arg(name)}
    for name in fields.get(LISTS, ()):
        if given := request.query.get(name):
            made[name] = list(given)
    for name in fields.get(NUMBERS, ()):
        numbers = [int(text) for text in request.query.get(name, ()) if text.isascii() and text.isdigit()]
        if numbers:
            made[name] = numbers
    return made
