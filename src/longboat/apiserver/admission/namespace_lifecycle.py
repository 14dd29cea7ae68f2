"""NamespaceLifecycle: nothing is created in a namespace that is not there or on its way out."""

from __future__ import annotations

from collections.abc import Awaitable

from longboat.api import kinds
from longboat.apiserver.admission.chain import Lookup, Plugin, Seek
from longboat.machinery.errors import StatusError, forbidden, not_found
from longboat.machinery.objects import Object, dig
from longboat.registry.admission import Attributes

IMMORTAL = frozenset(("default", "kube-system", "kube-public"))
# Reviews are asked about a namespace, whether it exists or not.
EXEMPT = frozenset(("LocalSubjectAccessReview",))


class NamespaceLifecycle(Plugin):
    def __init__(self, lookup: Lookup, seek: Seek) -> None:
        self._lookup = lookup
        self._seek = seek

    def mutate(self, attributes: Attributes) -> Awaitable[None] | None:
        kind = attributes.kind
        if attributes.operation == "DELETE" and kind == kinds.NAMESPACE and attributes.name in IMMORTAL:
            raise forbidden(kind, attributes.name, "this namespace may not be deleted")
        if attributes.operation != "CREATE" or not kind.namespaced or kind.name in EXEMPT:
            return None
        namespace = self._lookup(kinds.NAMESPACE, "", attributes.namespace)
        if namespace is None:
            return self._look_again(attributes)
        self._check(attributes, namespace)
        return None

    async def _look_again(self, attributes: Attributes) -> None:
        namespace = await self._seek(kinds.NAMESPACE, "", attributes.namespace)
        if namespace is None:
            raise not_found(kinds.NAMESPACE, attributes.namespace)
        self._check(attributes, namespace)

    def _check(self, attributes: Attributes, namespace: Object) -> None:
        if dig(namespace, "status", "phase") == "Terminating" or dig(namespace, "metadata", "deletionTimestamp"):
            raise self._terminating(attributes, namespace["metadata"])

    @staticmethod
    def _terminating(attributes: Attributes, found: dict[str, object]) -> StatusError:
        name = attributes.namespace
        why = f"unable to create new content in namespace {name} because it is being terminated"
        error = forbidden(attributes.kind, attributes.name, why)
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {name} is being terminated",
            "field": "metadata.namespace",
        }
        error.details["causes"] = [cause]
        return error
