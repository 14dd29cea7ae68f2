"""Hears of objects that go, and so give back what they used, without keeping a copy of any."""

from __future__ import annotations

from collections.abc import Callable

from longboat.client.reflector import Item, Needs
from longboat.machinery.kinds import Kind

EVERYWHERE = ""

Tell = Callable[[str, str], None]
"""The group-qualified plural and the namespace; EVERYWHERE where objects may have gone unseen."""


class Departures:
    """Those of one kind (a reflector's listener). `changes`: objects may give something back by a mere change, too."""

    needs = Needs.NOTHING

    def __init__(self, kind: Kind, tell: Tell, *, changes: bool) -> None:
        self._kind, self._tell = kind, tell
        self._telling = {"DELETED", "MODIFIED"} if changes else {"DELETED"}

    def relist(self) -> None: ...

    def item(self, item: Item) -> None: ...

    async def listed(self) -> None:
        self._tell(self._kind.resource, EVERYWHERE)

    def event(self, type: str, item: Item) -> None:
        if type in self._telling:
            self._tell(self._kind.resource, item.key.namespace)
