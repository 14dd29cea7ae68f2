"""Objects that older versions of Longboat kept elsewhere, brought to where they belong."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from longboat.registry.places import former, place
from longboat.registry.strategy import Strategy
from longboat.storage.interface import KeyExists, RevisionMismatch, Storage, Unopened

log = logging.getLogger(__name__)

PAGE = 200  # objects read at once


async def move_all(storage: Storage, strategies: Iterable[Strategy]) -> None:
    """Before anybody reads. Raises StorageError."""
    for strategy in strategies:
        if strategy.stored and (old := former(strategy)):
            await move(storage, old, place(strategy))


async def move(storage: Storage, old: str, new: str) -> None:
    """Everything beneath one prefix, to beneath the other. A move that broke off is gone on with: each object is
    written before its old copy goes, and what is written already stays as it is. What cannot be opened stays where it
    is, and is told of. Raises StorageError."""
    after, more = "", True
    while more:
        page = await storage.list(old, limit=PAGE, after=after)
        for item in page.items:
            after = item.key
            target = new + item.key.removeprefix(old)
            if isinstance(item.value, Unopened):
                log.error("%s cannot be moved to %s: %s", item.key, target, item.value.why)
                continue
            try:
                await storage.create(target, item.value)
            except KeyExists:
                log.info("%s is there already", target)
            try:
                await storage.delete(item.key, expect=item.revision)
            except RevisionMismatch:  # another API server was faster
                log.info("%s has been moved by somebody else", item.key)
        more = page.more
