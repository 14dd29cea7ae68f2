"""Who owns whom, over all kinds: nodes by uid, edges from ownerReferences. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from longboat.api.view import Meta, OwnerReference
from longboat.machinery.kinds import Kind

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


@dataclass(slots=True, eq=False)
class Node:
    """One object, or (virtual) one that is only known because others name it as their owner."""

    uid: str
    kind: Kind | None
    namespace: str
    name: str
    owners: list[OwnerReference] = field(default_factory=list)
    dependents: dict[str, Node] = field(default_factory=dict)
    finalizers: frozenset[str] = frozenset()
    deleting: bool = False
    virtual: bool = False
    resource_version: str = ""

    @property
    def deleting_dependents(self) -> bool:
        """It waits, in the foreground, for those that block it."""
        return self.deleting and FOREGROUND in self.finalizers

    @property
    def orphaning(self) -> bool:
        return self.deleting and ORPHAN in self.finalizers

    def blocking(self) -> list[Node]:
        """Dependents that hold up its deletion in the foreground."""
        return [
            each
            for each in self.dependents.values()
            if any(ref.uid == self.uid and ref.blockOwnerDeletion for ref in each.owners)
        ]


class Graph:
    """Takes in objects as they come and go, and says which deserve a look."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}

    def observe(self, kind: Kind, meta: Meta) -> set[str]:
        """An object as it now is. Returns uids to be looked at."""
        node = self.nodes.get(meta.uid)
        fresh = node is None or node.virtual
        if node is None:
            node = self.nodes[meta.uid] = Node(meta.uid, kind, meta.namespace, meta.name)
        was_deleting, was_foreground = node.deleting, node.deleting_dependents
        node.kind, node.namespace, node.name, node.virtual = kind, meta.namespace, meta.name, False
        node.finalizers = frozenset(meta.finalizers)
        node.deleting = meta.deletionTimestamp is not None
        node.resource_version = meta.resourceVersion
        look = self._rewire(node, meta.ownerReferences)
        if fresh and node.owners:
            look.add(node.uid)
        if node.deleting_dependents and not was_foreground:
            look.add(node.uid)
            look.update(node.dependents)
        if node.orphaning and not was_deleting:
            look.add(node.uid)
        if node.deleting:
            look.update(self._waiting_owners(node))
        return look

    def _rewire(self, node: Node, owners: list[OwnerReference]) -> set[str]:
        before = {ref.uid for ref in node.owners}
        after = {ref.uid for ref in owners}
        look: set[str] = set()
        for uid in before - after:
            if (owner := self.nodes.get(uid)) is not None:
                owner.dependents.pop(node.uid, None)
                if owner.deleting_dependents:
                    look.add(uid)
                self._forget_if_unused(owner)
        for ref in owners:
            if ref.uid in before:
                continue
            owner = self.nodes.get(ref.uid)
            if owner is None:
                owner = self.nodes[ref.uid] = Node(ref.uid, None, node.namespace, ref.name, virtual=True)
                look.add(ref.uid)
            owner.dependents[node.uid] = node
            look.add(node.uid)
        if owners != node.owners:
            if any(
                a.blockOwnerDeletion and not b.blockOwnerDeletion for a in node.owners for b in owners if a.uid == b.uid
            ):
                look.update(after)
            node.owners = list(owners)
        return look

    def remove(self, uid: str) -> set[str]:
        """An object that is gone. Returns uids to be looked at."""
        node = self.nodes.pop(uid, None)
        if node is None:
            return set()
        look = set(node.dependents)
        for ref in node.owners:
            if (owner := self.nodes.get(ref.uid)) is not None:
                owner.dependents.pop(uid, None)
                if owner.deleting_dependents:
                    look.add(ref.uid)
                self._forget_if_unused(owner)
        if node.dependents:
            # Those it left name it still: it stays as a mere name until they are dealt with.
            ghost = Node(uid, node.kind, node.namespace, node.name, virtual=True, dependents=node.dependents)
            self.nodes[uid] = ghost
        return look

    def _waiting_owners(self, node: Node) -> Iterable[str]:
        return (ref.uid for ref in node.owners if (o := self.nodes.get(ref.uid)) is not None and o.deleting_dependents)

    def _forget_if_unused(self, node: Node) -> None:
        if node.virtual and not node.dependents:
            self.nodes.pop(node.uid, None)
