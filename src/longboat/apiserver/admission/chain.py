"""Admission: plugins that may change or refuse a request, in one order. First all that change, then all that judge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.registry.admission import Attributes, Target

MOST = 4096  # sorts of requests that are remembered

Step = Callable[[Attributes], Awaitable[None] | None]
Lookup = Callable[[Kind, str, str], Object | None]
"""kind, namespace, name → the object as it is now, or None."""


class Seek(Protocol):
    """What a `Lookup` missed, looked for again among all that any API server has written, and then for so many seconds
    more: somebody may just be making it. None if it does not come."""

    def __call__(self, kind: Kind, namespace: str, name: str, seconds: float = 0.0) -> Awaitable[Object | None]: ...


class Plugin:
    """The plugin that lets everything pass. `handles` spares it what it does not look at, and says so of a sort of
    request: it is asked once for all of that sort.

    One that has to wait returns what to await (it may be a coroutine function); the others cost no more for it.

    `mutate` and `validate` of a large object are called in a thread beside the loop: they may look objects up, since
    what a cache holds is replaced and never changed in place, and keep nothing of their own. Who needs more (an
    authorizer, a store) makes of it a coroutine: what is awaited runs on the loop.
    """

    def handles(self, target: Target) -> bool:
        return True

    def mutate(self, attributes: Attributes) -> Awaitable[None] | None:
        """May change `attributes.obj`. Raises StatusError."""
        return None

    def validate(self, attributes: Attributes) -> Awaitable[None] | None:
        """Raises StatusError."""
        return None


class Chain:
    """Implements registry.admission.Admission.

    Who is to be asked about a sort of request is found out at the first of it: of some twenty plugins two or three have
    anything to say of a ConfigMap.
    """

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._mutating = [p for p in plugins if type(p).mutate is not Plugin.mutate]
        self._validating = [p for p in plugins if type(p).validate is not Plugin.validate]
        self._chosen: dict[Target, tuple[list[Step], list[Step]]] = {}

    async def mutate(self, attributes: Attributes) -> None:
        await self._mutate(attributes)
        if attributes.again:  # a webhook has changed it: what was made sure of before has to hold still
            attributes.again, attributes.round = False, 1
            await self._mutate(attributes)

    async def _mutate(self, attributes: Attributes) -> None:
        run = attributes.seat.run if attributes.seat.taken else None
        for step in self._steps(attributes.target)[0]:
            pending = step(attributes) if run is None else await run(step, attributes)
            if pending is not None:
                await pending

    async def validate(self, attributes: Attributes) -> None:
        run = attributes.seat.run if attributes.seat.taken else None
        for step in self._steps(attributes.target)[1]:
            pending = step(attributes) if run is None else await run(step, attributes)
            if pending is not None:
                await pending

    def _steps(self, target: Target) -> tuple[list[Step], list[Step]]:
        """Those that may change a request of this sort, and those that judge it."""
        found = self._chosen.get(target)
        if found is None:
            if len(self._chosen) == MOST:
                self._chosen.clear()  # custom kinds come and go
            found = self._chosen[target] = (
                [plugin.mutate for plugin in self._mutating if plugin.handles(target)],
                [plugin.validate for plugin in self._validating if plugin.handles(target)],
            )
        return found
