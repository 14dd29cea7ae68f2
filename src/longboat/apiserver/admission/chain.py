"""Admission: plugins that may change or refuse a write, in one order. First all that change, then all that judge, then
those that note what it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.registry.admission import Attributes

Lookup = Callable[[Kind, str, str], Object | None]
"""kind, namespace, name → the object as it is now, or None."""


class Plugin:
    """The plugin that lets everything pass. `handles` spares it what it does not look at."""

    def handles(self, attributes: Attributes) -> bool:
        return True

    def mutate(self, attributes: Attributes) -> None:
        """May change `attributes.obj`. Raises StatusError."""

    def validate(self, attributes: Attributes) -> None:
        """Raises StatusError."""

    async def charge(self, attributes: Attributes) -> None:
        """Note what a write takes that nobody else refuses. Raises StatusError."""


class Chain:
    """Implements registry.admission.Admission."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._mutating = [p for p in plugins if type(p).mutate is not Plugin.mutate]
        self._validating = [p for p in plugins if type(p).validate is not Plugin.validate]
        self._charging = [p for p in plugins if type(p).charge is not Plugin.charge]

    async def mutate(self, attributes: Attributes) -> None:
        for plugin in self._mutating:
            if plugin.handles(attributes):
                plugin.mutate(attributes)

    async def validate(self, attributes: Attributes) -> None:
        for plugin in self._validating:
            if plugin.handles(attributes):
                plugin.validate(attributes)
        for plugin in self._charging:
            if plugin.handles(attributes):
                await plugin.charge(attributes)
