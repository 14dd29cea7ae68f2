"""What expressions may name of one request: each is made when it is first named, and for all policies once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from longboat.api import kinds
from longboat.apiserver.admission import expressions
from longboat.apiserver.admission.evaluation import Shared, Values
from longboat.apiserver.admission.policies.both import Means
from longboat.apiserver.admission.policies.compiled import PARAMS
from longboat.apiserver.admission.views import Views
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.registry.admission import Attributes


class Seen:
    """One request, in all versions of its resource that policies see it in."""

    def __init__(self, attributes: Attributes, means: Means) -> None:
        self.attributes = attributes
        self.views = Views(attributes, means.printed, means.versions)
        self._decide = expressions.decides(means.authorizer, attributes.user)
        self._lookup = means.lookup
        self._made: dict[Kind, Request] = {}

    def of(self, version: Kind) -> Request:
        found = self._made.get(version)
        if found is None:
            makers = expressions.makers(self.views, version, self._decide, self._namespace)
            found = self._made[version] = Request(version, makers)
        return found

    def forget(self) -> None:
        """The object has been changed."""
        self.views.forget()
        self._made.clear()

    def _namespace(self) -> Object | None:
        if not self.attributes.namespace:
            return None
        return self._lookup(kinds.NAMESPACE, "", self.attributes.namespace)


class Request:
    """In one version of its resource (`kind`), as its object is now."""

    def __init__(self, kind: Kind, makers: dict[str, Callable[[], Any]]) -> None:
        self.kind = kind
        self._made = Values(makers)

    def values(self, params: Object | None, *, authorizer: bool = True) -> Shared:
        """For expressions that share their variables. Those of messages and annotations have no `authorizer`."""
        return Shared({PARAMS: params}, self._made, frozenset() if authorizer else _AUTHORIZER)


_AUTHORIZER = frozenset(("authorizer", "authorizer.requestResource"))
