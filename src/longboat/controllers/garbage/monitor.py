"""Looks at the metadata of every kind that can be deleted, and feeds the graph."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from longboat.api.view import Meta
from longboat.client.reflector import Item, Needs
from longboat.client.rest import RestClient
from longboat.controllers.resources import resources
from longboat.machinery.kinds import Kind

NOT_OWNED = frozenset(("events", "events.events.k8s.io"))  # too many, and nobody's

Observe = Callable[[Kind, Meta], None]
Remove = Callable[[str], None]


async def deletable(client: RestClient) -> tuple[list[Kind], bool]:
    """Every kind that the server lists, watches and deletes; whether these are all there are. Raises StatusError."""
    found, problems = await resources(client)
    kinds = [
        each.kind for each in found if {"list", "watch", "delete"} <= each.verbs and each.kind.resource not in NOT_OWNED
    ]
    return kinds, not problems


class Monitor:
    """One kind's (a reflector's listener). It keeps uids only: what an object is like is the graph's to know."""

    needs = Needs.METADATA

    def __init__(self, kind: Kind, observe: Observe, remove: Remove) -> None:
        self._kind = kind
        self._observe = observe
        self._remove = remove
        self._known: set[str] = set()
        self._listing: set[str] = set()
        self.synced = asyncio.Event()

    def forget(self) -> None:
        """The kind is gone, and all its objects with it."""
        for uid in self._known:
            self._remove(uid)

    def relist(self) -> None:
        self._listing = set()

    def item(self, item: Item) -> None:
        self._listing.add(item.meta.uid)
        self._observe(self._kind, item.meta)

    async def listed(self) -> None:
        for uid in self._known - self._listing:
            self._remove(uid)
        self._known, self._listing = self._listing, set()
        self.synced.set()

    def event(self, type: str, item: Item) -> None:
        uid = item.meta.uid
        if type == "DELETED":
            self._known.discard(uid)
            self._remove(uid)
        else:
            self._known.add(uid)
            self._observe(self._kind, item.meta)
