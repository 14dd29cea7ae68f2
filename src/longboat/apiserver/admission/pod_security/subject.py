"""What the standards are asked about, a pod or a pod to be, and the words in which they say what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from longboat.machinery.objects import Object

CONTAINERS = ("initContainers", "containers", "ephemeralContainers")  # in the order in which they are named


class Violation(NamedTuple):
    """`reason` alone is told of many pods, `reason (detail)` of one."""

    reason: str
    detail: str


class Subject:
    """A pod's metadata and spec, taken apart once for all checks.

    `contexts`: name and securityContext of every container. `apart`: it has a user namespace of its own (KEP-127).
    """

    __slots__ = ("annotations", "apart", "containers", "contexts", "security", "spec", "windows")

    def __init__(self, metadata: Object, spec: Object) -> None:
        self.annotations: Object = metadata.get("annotations") or {}
        self.spec = spec
        self.security: Object = spec.get("securityContext") or {}
        self.containers: list[Object] = [c for part in CONTAINERS for c in spec.get(part) or ()]
        self.contexts: list[tuple[str, Object]] = [
            (name_of(c), c.get("securityContext") or {}) for c in self.containers
        ]
        self.apart = spec.get("hostUsers") is False
        self.windows = (spec.get("os") or {}).get("name") == "windows"

    def containers_where(self, holds: Callable[[Object], Any]) -> list[str]:
        """The names of those whose securityContext is so."""
        return [name for name, context in self.contexts if holds(context)]

    def values(self, field: str) -> Iterator[tuple[str, Any]]:
        """A field wherever it is set, the pod's own first (its setter has no name)."""
        for name, context in (("", self.security), *self.contexts):
            if (value := context.get(field)) is not None:
                yield name, value


Check = Callable[[Subject], Violation | None]


def name_of(container: Object) -> str:
    name: str = container.get("name") or ""
    return name


def quoted(items: Iterable[str]) -> str:
    return ", ".join(f'"{item}"' for item in items)


def counted(one: str, several: str, number: int) -> str:
    return one if number == 1 else several


def containers(names: list[str]) -> str:
    """`container "a"`, `containers "a", "b"`."""
    return f"{counted('container', 'containers', len(names))} {quoted(names)}"


def setters(pod: bool, names: list[str]) -> list[str]:
    """Who has set something: the pod, containers, or both."""
    return (["pod"] if pod else []) + ([containers(names)] if names else [])
