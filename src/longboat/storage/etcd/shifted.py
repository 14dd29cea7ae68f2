"""A storage whose revisions are counted on from those of another one, that its content was brought from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from longboat.storage.interface import (
    Compacted,
    Event,
    FutureRevision,
    Item,
    Page,
    Progress,
    Purged,
    RevisionMismatch,
)

NOTHING = "/registry/longboat-nothing/"  # a prefix beneath which nothing lies


class ShiftedStorage:
    """Implements `Storage`. Its revisions are those of `storage` plus `ahead`; before `since` there is no history.

    So whoever remembers a revision of the former storage is told that it is too old, and no revision comes twice.
    """

    def __init__(self, storage: Purged, ahead: int, since: int) -> None:
        self._storage = storage
        self._ahead = ahead
        self._since = since

    async def get(self, key: str) -> Item | None:
        return self._item(await self._storage.get(key))

    async def list(self, prefix: str, *, at_revision: int = 0, limit: int = 0, after: str = "") -> Page:
        inner = await self._inner(at_revision) if at_revision else 0
        try:
            page = await self._storage.list(prefix, at_revision=inner, limit=limit, after=after)
        except (Compacted, FutureRevision) as error:
            raise self._error(error) from None
        items = [Item(item.key, item.value, item.revision + self._ahead) for item in page.items]
        return Page(items, page.revision + self._ahead, page.remaining)

    async def create(self, key: str, value: bytes, *, ttl: float | None = None) -> int:
        return await self._storage.create(key, value, ttl=ttl) + self._ahead

    async def update(self, key: str, value: bytes, *, expect: int, ttl: float | None = None) -> int:
        try:
            return await self._storage.update(key, value, expect=expect - self._ahead, ttl=ttl) + self._ahead
        except RevisionMismatch as lost:
            raise RevisionMismatch(self._item(lost.current)) from None

    async def delete(self, key: str, *, expect: int) -> int:
        try:
            return await self._storage.delete(key, expect=expect - self._ahead) + self._ahead
        except RevisionMismatch as lost:
            raise RevisionMismatch(self._item(lost.current)) from None

    async def watch(
        self, prefix: str, from_revision: int, *, previous: bool = True
    ) -> AsyncIterator[Sequence[Event] | Progress]:
        stream = self._storage.watch(prefix, await self._inner(from_revision), previous=previous)
        try:
            async for batch in stream:
                if isinstance(batch, Progress):
                    yield Progress(batch.revision + self._ahead)
                else:
                    yield [Event(each.key, each.revision + self._ahead, each.value, each.previous) for each in batch]
        except (Compacted, FutureRevision) as error:
            raise self._error(error) from None
        finally:
            await stream.aclose()  # type: ignore[attr-defined]

    async def stale(self, key: str) -> bool:
        return await self._storage.stale(key)

    async def current_revision(self) -> int:
        return await self._storage.current_revision() + self._ahead

    async def compact(self, revision: int) -> None:
        if revision > self._since:
            try:
                await self._storage.compact(revision - self._ahead)
            except FutureRevision as error:
                raise self._error(error) from None

    async def purge(self) -> None:
        await self._storage.purge()

    async def close(self) -> None:
        await self._storage.close()

    async def _inner(self, revision: int) -> int:
        """Raises Compacted."""
        if revision >= self._since:
            return revision - self._ahead
        try:  # whoever is told a revision goes on from there: it must be one that is left
            await self._storage.list(NOTHING, at_revision=self._since - self._ahead, limit=1)
        except Compacted as error:
            raise self._error(error) from None
        raise Compacted(self._since)

    def _item(self, item: Item | None) -> Item | None:
        return item and Item(item.key, item.value, item.revision + self._ahead)

    def _error(self, error: Compacted | FutureRevision) -> Exception:
        if isinstance(error, Compacted):
            return Compacted(max(error.oldest + self._ahead, self._since))
        return FutureRevision(error.current + self._ahead)
