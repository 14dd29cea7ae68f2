"""NamespaceLifecycle: nothing is created in a namespace that is not there or on its way out."""

from __future__ import annotations

from collections.abc import Awaitable

import msgspec

from longboat.api import kinds
from longboat.apiserver.admission.chain import Plugin, Seek
from longboat.machinery.errors import StatusError, forbidden, not_found
from longboat.machinery.objects import Object, dig
from longboat.registry.admission import Attributes, Target
from longboat.registry.store import Store
from longboat.storage.entry import Entry

IMMORTAL = frozenset(("default", "kube-system", "kube-public"))
# Reviews are asked about a namespace, whether it exists or not.
EXEMPT = frozenset(("LocalSubjectAccessReview",))


class NamespaceLifecycle(Plugin):
    """`namespaces`: the store of them."""

    def __init__(self, namespaces: Store, seek: Seek) -> None:
        self._namespaces = namespaces
        self._seek = seek

    def handles(self, target: Target) -> bool:
        kind = target.kind
        if target.operation == "DELETE":
            return kind == kinds.NAMESPACE
        return target.operation == "CREATE" and kind.namespaced and kind.name not in EXEMPT

    def mutate(self, attributes: Attributes) -> Awaitable[None] | None:
        if attributes.operation == "DELETE":
            if attributes.name in IMMORTAL:
                raise forbidden(attributes.kind, attributes.name, "this namespace may not be deleted")
            return None
        entry = self._namespaces.find("", attributes.namespace)
        if entry is None:
            return self._look_again(attributes)
        if _ends(entry):
            raise self._terminating(attributes)
        return None

    async def _look_again(self, attributes: Attributes) -> None:
        namespace = await self._seek(kinds.NAMESPACE, "", attributes.namespace)
        if namespace is None:
            raise not_found(kinds.NAMESPACE, attributes.namespace)
        if _is_ending(namespace):
            raise self._terminating(attributes)

    @staticmethod
    def _terminating(attributes: Attributes) -> StatusError:
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


def _ends(entry: Entry) -> bool:
    """Whether a namespace is on its way out; found out once for each of its versions, for every creation asks."""
    found: bool | None = entry.encodings.get(NamespaceLifecycle)
    if found is None:
        found = entry.encodings[NamespaceLifecycle] = _is_ending(msgspec.json.decode(entry.body))
    return found


def _is_ending(namespace: Object) -> bool:
    return bool(dig(namespace, "status", "phase") == "Terminating" or dig(namespace, "metadata", "deletionTimestamp"))
