"""Empties namespaces that are being deleted, pods first, and lets them go when nothing is left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import msgspec

from longboat.aio.backoff import doubling
from longboat.aio.fanout import fan_out
from longboat.api import kinds
from longboat.api.view import Part, View
from longboat.client.interface import Key
from longboat.client.rest import METADATA_LIST
from longboat.controllers.resources import Resource, resources
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import timestamp

FINALIZER = "kubernetes"
SHORTEST_WAIT, LONGEST_WAIT = 0.2, 15.0  # seconds between looks at what is still going
LONGEST_FOR_PODS = 2.0  # while only pods are asked for, a look is cheap
AT_ONCE = 5  # resources emptied at a time


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


class _Meta(msgspec.Struct):
    finalizers: list[str] = []


class _Partial(msgspec.Struct):
    metadata: _Meta


@dataclass
class Remaining:
    """What is left in a namespace, and what went wrong looking."""

    objects: dict[str, int] = field(default_factory=dict)  # by resource
    finalizers: dict[str, int] = field(default_factory=dict)
    undiscovered: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def any(self) -> bool:
        return bool(self.objects or self.errors or self.undiscovered)


def conditions(left: Remaining) -> list[tuple[str, bool, str, str]]:
    """Type, status, reason and message of each condition, in upstream's words."""
    objects = ", ".join(f"{name} has {count} resource instances" for name, count in sorted(left.objects.items()))
    held = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(left.finalizers.items()))
    failed = bool(left.errors)
    return [
        (
            "NamespaceDeletionDiscoveryFailure", bool(left.undiscovered),
            "DiscoveryFailed" if left.undiscovered else "ResourcesDiscovered",
            f"Discovery failed for some groups, {len(left.undiscovered)} failing: unable to retrieve the complete list "
            f"of server APIs: {', '.join(left.undiscovered)}"
            if left.undiscovered
            else "All resources successfully discovered",
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
    rights = """
        delete get list watch: namespaces
        update: namespaces/finalize namespaces/status
        delete deletecollection get list: */*
    """
    watches = (Watch(Namespace, own_key, when=lambda namespace: namespace.metadata.deletionTimestamp is not None),)
    workers = 5

    def setup(self) -> None:
        self._looks: dict[Key, int] = {}

    async def reconcile(self, key: Key) -> Requeue | None:
        namespace = self.cache(Namespace).get(key)
        if (
            namespace is None
            or namespace.metadata.deletionTimestamp is None
            or FINALIZER not in namespace.spec.finalizers
        ):
            self._looks.pop(key, None)
            return None
        left = await self._empty(key.name)
        if left.any:
            await self._report(namespace, left)
            looks = self._looks[key] = self._looks.get(key, 0) + 1
            longest = LONGEST_FOR_PODS if "pods." in left.objects else LONGEST_WAIT
            return Requeue(doubling(looks, SHORTEST_WAIT, longest))
        await self._finalize(namespace)
        return None

    async def _empty(self, namespace: str) -> Remaining:
        """Delete every collection in the namespace; count what does not go at once.

        Pods go first, and while any is left nothing else does: what they rest on, and what guards them, outlives them
        (KEP-5080).
        """
        left = Remaining()
        found, left.undiscovered = await resources(self.client)
        mine = [each for each in found if each.kind.namespaced and {"list", "delete"} <= each.verbs]

        async def empty(resource: Resource) -> None:
            await self._empty_one(resource, namespace, left)

        await fan_out((each for each in mine if each.kind.resource == "pods"), empty, width=1)
        if not left.objects and not left.errors:
            await fan_out((each for each in mine if each.kind.resource != "pods"), empty, width=AT_ONCE)
        return left

    async def _empty_one(self, resource: Resource, namespace: str, left: Remaining) -> None:
        kind = resource.kind
        try:
            if "deletecollection" in resource.verbs:
                await self.client.delete_collection(kind, namespace=namespace, propagation="Background")
            items = (await self.client.list_page(kind, namespace=namespace, accept=METADATA_LIST)).items
        except (StatusError, ConnectionError) as error:
            if not isinstance(error, StatusError) or error.code not in (404, 405):
                left.errors.append(f"{kind.resource}: {error}")
            return
        if items:
            left.objects[kind.resource if kind.group else f"{kind.plural}."] = len(items)
        for item in items:
            for finalizer in msgspec.json.decode(item, type=_Partial).metadata.finalizers:
                left.finalizers[finalizer] = left.finalizers.get(finalizer, 0) + 1

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
