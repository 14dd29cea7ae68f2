"""What a pod may be depends on its namespace: the frame of plugins that ask what that says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

from longboat.api import kinds
from longboat.apiserver.admission.chain import Lookup, Plugin, Seek
from longboat.machinery.errors import not_found
from longboat.machinery.objects import Object
from longboat.registry.admission import Attributes


class OfNamespace(Plugin, ABC):
    """Looks the namespace up, and once more among all that anybody has written where it is not there."""

    def __init__(self, lookup: Lookup, seek: Seek) -> None:
        self._lookup = lookup
        self._seek = seek

    @abstractmethod
    def change(self, attributes: Attributes, namespace: Object) -> None:
        """May change the object. Raises StatusError."""

    @abstractmethod
    def check(self, attributes: Attributes, namespace: Object) -> None:
        """Raises StatusError."""

    def mutate(self, attributes: Attributes) -> Awaitable[None] | None:
        return self._with_namespace(attributes, self.change)

    def validate(self, attributes: Attributes) -> Awaitable[None] | None:
        return self._with_namespace(attributes, self.check)

    def _with_namespace(
        self, attributes: Attributes, then: Callable[[Attributes, Object], None]
    ) -> Awaitable[None] | None:
        namespace = self._lookup(kinds.NAMESPACE, "", attributes.namespace)
        if namespace is None:
            return self._look_again(attributes, then)
        then(attributes, namespace)
        return None

    async def _look_again(self, attributes: Attributes, then: Callable[[Attributes, Object], None]) -> None:
        namespace = await self._seek(kinds.NAMESPACE, "", attributes.namespace)
        if namespace is None:
            raise not_found(kinds.NAMESPACE, attributes.namespace)
        then(attributes, namespace)
