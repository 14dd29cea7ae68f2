"""Admission: plugins that may change or refuse a request, in one order. First all that change, then all that judge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.registry.admission import Attributes

Lookup = Callable[[Kind, str, str], Object | None]
"""kind, namespace, name → the object as it is now, or None."""


class Seek(Protocol):
    """What a `Lookup` missed, looked for again among all that any API server has written, and then for so many seconds
    more: somebody may just be making it. None if it does not come."""

    def __call__(self, kind: Kind, namespace: str, name: str, seconds: float = 0.0) -> Awaitable[Object | None]: ...


class Plugin:
    """The plugin that lets everything pass. `handles` spares it what it does not look at.

    One that has to wait returns what to await (it may be a coroutine function); the others cost no more for it.

    `mutate` and `validate` of a large object are called in a thread beside the loop: they may look objects up, since
    what a cache holds is replaced and never changed in place, and keep nothing of their own. Who needs more (an
    authorizer, a store) makes of it a coroutine: what is awaited runs on the loop.
    """

    def handles(self, attributes: Attributes) -> bool:
        return True

    def mutate(self, attributes: Attributes) -> Awaitable[None] | None:
        """May change `attributes.obj`. Raises StatusError."""
        return None

    def validate(self, attributes: Attributes) -> Awaitable[None] | None:
        """Raises StatusError."""
        return None


class Chain:
    """Implements registry.admission.Admission."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._mutating = [p for p in plugins if type(p).mutate is not Plugin.mutate]
        self._validating = [p for p in plugins if type(p).validate is not Plugin.validate]

    async def mutate(self, attributes: Attributes) -> None:
        await self._mutate(attributes)
        if attributes.again:  # a webhook has changed it: what was made sure of before has to hold still
            attributes.again, attributes.round = False, 1
            await self._mutate(attributes)

    async def _mutate(self, attributes: Attributes) -> None:
        run = attributes.seat.run if attributes.seat.taken else None
        for plugin in self._mutating:
            if plugin.handles(attributes):
                pending = plugin.mutate(attributes) if run is None else await run(plugin.mutate, attributes)
                if pending is not None:
                    await pending

    async def validate(self, attributes: Attributes) -> None:
        run = attributes.seat.run if attributes.seat.taken else None
        for plugin in self._validating:
            if plugin.handles(attributes):
                pending = plugin.validate(attributes) if run is None else await run(plugin.validate, attributes)
                if pending is not None:
                    await pending
