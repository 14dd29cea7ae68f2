"""Writes in a namespace that is not there: NamespaceExists refuses them, NamespaceAutoProvision makes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from longboat.api import kinds
from longboat.apiserver.admission.chain import Lookup, Plugin, Seek
from longboat.machinery.errors import StatusError, forbidden, not_found
from longboat.machinery.objects import Object
from longboat.registry.admission import Attributes, Target

Create = Callable[[Object], Awaitable[object]]
"""Makes a namespace. Raises StatusError."""


class NamespaceExists(Plugin):
    """Of updates and deletions too, where NamespaceLifecycle asks of what is new alone."""

    def __init__(self, lookup: Lookup, seek: Seek) -> None:
        self._lookup = lookup
        self._seek = seek

    def handles(self, target: Target) -> bool:
        return target.kind.namespaced and target.operation in ("CREATE", "UPDATE", "DELETE")

    def validate(self, attributes: Attributes) -> Awaitable[None] | None:
        known = self._lookup(kinds.NAMESPACE, "", attributes.namespace) is not None
        return None if known else self._look_again(attributes)

    async def _look_again(self, attributes: Attributes) -> None:
        if await self._seek(kinds.NAMESPACE, "", attributes.namespace) is None:
            raise not_found(kinds.NAMESPACE, attributes.namespace)


class NamespaceAutoProvision(Plugin):
    def __init__(self, lookup: Lookup, create: Create) -> None:
        self._lookup = lookup
        self._create = create

    def handles(self, target: Target) -> bool:
        return target.kind.namespaced and target.operation == "CREATE"

    def mutate(self, attributes: Attributes) -> Awaitable[None] | None:
        if attributes.dry_run or self._lookup(kinds.NAMESPACE, "", attributes.namespace) is not None:
            return None
        return self._provide(attributes)

    async def _provide(self, attributes: Attributes) -> None:
        name = attributes.namespace
        try:
            await self._create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise forbidden(attributes.kind, attributes.name, error.message) from error
