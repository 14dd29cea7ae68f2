"""Empties namespaces that are being deleted, kind by kind, and lets them go when nothing is left."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import msgspec

from longboat.api import kinds
from longboat.api.view import Part, View
from longboat.client.interface import Key
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import timestamp

FINALIZER = "kubernetes"
SHORTEST_WAIT, LONGEST_WAIT = 0.2, 5.0  # seconds between looks at what is still going
PODS_LAST = frozenset(("pods",))


class Spec(Part):
    finalizers: list[str] = []


class Condition(Part):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""


class Status(Part):
    phase: str = ""
    conditions: list[Condition] = []


class Namespace(View):
    KIND: ClassVar[Kind] = kinds.NAMESPACE

    spec: Spec = Spec()
    status: Status = Status()


class Resource(msgspec.Struct):
    name: str
    kind: str
    namespaced: bool
    verbs: list[str]


class Remaining(msgspec.Struct):
    """What is left in a namespace, and what went wrong looking."""

    objects: dict[str, int]  # by resource
    finalizers: dict[str, int]
    errors: list[str]

    @property
    def any(self) -> bool:
        return bool(self.objects or self.errors)


def conditions(left: Remaining) -> list[tuple[str, bool, str, str]]:
    """Type, status, reason and message of each condition, in upstream's words."""
    objects = ", ".join(f"{name} has {count} resource instances" for name, count in sorted(left.objects.items()))
    held = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(left.finalizers.items()))
    failed = bool(left.errors)
    return [
        (
            "NamespaceDeletionDiscoveryFailure", False, "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure", False, "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure", failed, "ContentDeletionFailed" if failed else "ContentDeleted",
            f"Failed to delete all resource types, {len(left.errors)} remaining: {'; '.join(left.errors)}"
            if failed
            else "All content successfully deleted, may be waiting on finalization",
        ),
        (
            "NamespaceContentRemaining", bool(left.objects),
            "SomeResourcesRemain" if left.objects else "ContentRemoved",
            f"Some resources are remaining: {objects}" if left.objects else "All content successfully removed",
        ),
        (
            "NamespaceFinalizersRemaining", bool(left.finalizers),
            "SomeFinalizersRemain" if left.finalizers else "ContentHasNoFinalizers",
            f"Some content in the namespace has finalizers remaining: {held}"
            if left.finalizers
            else "All content-preserving finalizers finished",
        ),
    ]  # fmt: skip


class NamespaceController(Controller):
    name = "namespace"
    watches = (Watch(Namespace, own_key, when=lambda namespace: namespace.metadata.deletionTimestamp is not None),)
    workers = 5

    async def reconcile(self, key: Key) -> Requeue | None:
        namespace = self.cache(Namespace).get(key)
        if namespace is None or namespace.metadata.deletionTimestamp is None:
            return None
        if FINALIZER not in namespace.spec.finalizers:
            return None
        left = await self._empty(key.name)
        if left.any:
            await self._report(namespace, left)
            looks = self.queue.failures(key)
            return Requeue(min(SHORTEST_WAIT * (looks + 1), LONGEST_WAIT))
        await self._finalize(namespace)
        return None

    async def _empty(self, namespace: str) -> Remaining:
        """Delete every collection in the namespace; count what does not go at once."""
        left = Remaining({}, {}, [])
        for kind in await self._kinds():
            try:
                if "deletecollection" in kind[1]:
                    await self.client.delete_collection(kind[0], namespace=namespace, propagation="Background")
                await self._count(kind[0], namespace, left)
            except StatusError as error:
                if error.code not in (404, 405):
                    left.errors.append(f"{kind[0].resource}: {error}")
        return left

    async def _count(self, kind: Kind, namespace: str, left: Remaining) -> None:
        page = await self.client.list_page(kind, namespace=namespace)
        if page.items:
            left.objects[f"{kind.resource}" if kind.group else f"{kind.plural}."] = len(page.items)
        for item in page.items:
            for finalizer in msgspec.json.decode(item)["metadata"].get("finalizers") or ():
                left.finalizers[finalizer] = left.finalizers.get(finalizer, 0) + 1

    async def _kinds(self) -> Iterable[tuple[Kind, list[str]]]:
        """Every namespaced kind that can be listed and deleted, as the server says now; pods last."""
        found: list[tuple[Kind, list[str]]] = []
        for version in await self._versions():
            path = f"/apis/{version}" if "/" in version else f"/api/{version}"
            group, _, name = version.rpartition("/")
            document = msgspec.json.decode(await self.client.get_path(path))
            for resource in msgspec.convert(document["resources"], list[Resource]):
                if resource.namespaced and "/" not in resource.name and {"list", "delete"} <= set(resource.verbs):
                    found.append((Kind(group, name, resource.kind, resource.name), resource.verbs))
        return sorted(found, key=lambda kind: kind[0].plural in PODS_LAST)

    async def _versions(self) -> list[str]:
        """The preferred version of each group."""
        groups: list[dict[str, Any]] = msgspec.json.decode(await self.client.get_path("/apis"))["groups"]
        return ["v1", *(group["preferredVersion"]["groupVersion"] for group in groups)]

    async def _report(self, namespace: Namespace, left: Remaining) -> None:
        now = timestamp(self.clock.now())
        before = {condition.type: condition for condition in namespace.status.conditions}
        changed = []
        for type_, true, reason, message in conditions(left):
            status = "True" if true else "False"
            old = before.get(type_)
            if old and (old.status, old.reason, old.message) == (status, reason, message):
                continue
            changed.append(
                {"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": now}
            )
        if changed:
            patch = {"status": {"conditions": changed}}
            key = Key("", namespace.metadata.name)
            await self.client.patch(kinds.NAMESPACE, key, patch, style="strategic", subresource="status")

    async def _finalize(self, namespace: Namespace) -> None:
        meta = namespace.metadata
        rest = [finalizer for finalizer in namespace.spec.finalizers if finalizer != FINALIZER]
        body = {
            "metadata": {"name": meta.name, "uid": meta.uid, "resourceVersion": meta.resourceVersion},
            "spec": {"finalizers": rest},
        }
        try:
            await self.client.update(kinds.NAMESPACE, Key("", meta.name), body, subresource="finalize")
        except StatusError as error:
            if error.code != 404:
                raise
