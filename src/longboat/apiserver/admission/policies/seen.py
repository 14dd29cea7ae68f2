"""What expressions may name of one request: each is made when it is first named, and for all policies once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from longboat.api import kinds
from longboat.apiserver.admission import expressions
from longboat.apiserver.admission.policies.both import Means
from longboat.apiserver.admission.policies.compiled import PARAMS
from longboat.apiserver.admission.policies.evaluation import Values
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
        made = Values(makers)
        self._all = {name: _from(made, name) for name in makers}
        self._base = {name: make for name, make in self._all.items() if not name.startswith("authorizer")}

    def values(self, params: Object | None, *, authorizer: bool = True) -> Values:
        """For expressions that share their variables. Those of messages and annotations have no `authorizer`."""
        found = Values(self._all if authorizer else self._base)
        found[PARAMS] = params
        return found


def _from(made: Values, name: str) -> Callable[[], Any]:
    return lambda: made[name]
