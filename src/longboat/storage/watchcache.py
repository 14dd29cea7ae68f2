"""The watch cache of one resource: GET is a dict lookup, LIST a walk over ready bytes, WATCH a shared ring."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

from longboat.aio.clock import Clock
from longboat.aio.turns import Turns
from longboat.machinery.selectors import LabelSelector
from longboat.storage.encoded import Encoded
from longboat.storage.entry import Change, Describe, Entry
from longboat.storage.feed import Feed
from longboat.storage.figures import CacheFigures
from longboat.storage.interface import Compacted, Event, FutureRevision, Item, Storage, Unopened, Unreadable
from longboat.storage.labels import LabelIndex
from longboat.storage.snapshot import Ordered, Snapshot
from longboat.storage.watcher import Ring, Watcher, size_of

log = logging.getLogger(__name__)

RETAINED = 32  # snapshots kept for the next pages of listings under way, and for how many seconds;
RETAINED_FOR = 60.0  # after that the pages come from the storage's history,
LONGEST = 300.0  # and after so many even if pages are asked for all the time: a listing must come to an end
WORTHWHILE, FEW = 8, 64  # an index is used for less than this part of a listing, or for so few entries


class FieldIndex:
    """Entries by the value of one selectable field."""

    def __init__(self, field: str, entries: Iterable[Entry]) -> None:
        self._field = field
        self._by_value: dict[str, dict[str, Entry]] = {}
        for entry in entries:
            self.change(None, entry)

    def get(self, value: str) -> Collection[Entry]:
        return self._by_value.get(value, {}).values()

    def change(self, old: Entry | None, new: Entry | None) -> None:
        """Take `new` for `old`; None stands for an entry that is not there."""
        if old is not None:
            value = old.fields.get(self._field, "")
            group = self._by_value[value]
            del group[old.key]
            if not group:
                del self._by_value[value]
        if new is not None:
            self._by_value.setdefault(new.fields.get(self._field, ""), {})[new.key] = new


class EntryPage(msgspec.Struct, frozen=True):
    """Part of a listing, as of `revision`. `remaining` counts the entries after the last one, -1 if not known."""

    entries: list[Entry]
    revision: int
    remaining: int = 0

    @property
    def more(self) -> bool:
        return self.remaining != 0


class Retained(NamedTuple):
    """A snapshot kept for the next pages of a listing; since when, and when it was used last."""

    snapshot: Snapshot
    since: float
    used: float


class WatchCache:
    """Everything beneath `prefix`, as the storage's events leave it.

    Caches that share a `feed` share one listing and one watch of the storage. The feed applies events batch by batch,
    so a reader on the loop sees all of a batch or nothing of it.
    """

    def __init__(
        self, storage: Storage, prefix: str, clock: Clock, describe: Describe, *, feed: Feed | None = None
    ) -> None:
        self.prefix = prefix
        self._storage = storage
        self._clock = clock
        self._describe = describe
        self._own_feed = feed is None
        self._feed = feed or Feed(storage, clock, root=prefix)
        self._entries: dict[str, Entry] = {}
        self._ordered = Ordered([])
        self._ring = Ring(0)
        self._retained: OrderedDict[int, Retained] = OrderedDict()  # by revision, the one used last at the end
        self._watchers: dict[str, list[Watcher]] = {}
        self._labels = LabelIndex()
        self._indexes: dict[str, FieldIndex] = {}  # by selectable field
        self._encoded: dict[str, Encoded] = {}  # other encodings of entries, by what their readers call them
        self._early: list[Event] | None = []  # events that came before the cache was filled; None once it has been
        self.version = 0  # moves with every change to this resource; readers derive from it what they may keep
        self.turns = Turns()  # of those who write one key and got in each other's way
        self.unopened: dict[str, str] = {}  # what is stored but cannot be opened: key to why
        self._loaded = 0  # revision of the last load: events up to it are in already
        self.figures = CacheFigures()
        self._feed.attach(self)

    async def start(self) -> None:
        """Return once the cache is filled. Raises StorageError."""
        await self._feed.start()
        if self._early is not None:
            page = await self._storage.list(self.prefix)
            early = self._early
            self.load(page.items, page.revision)
            self.apply(early)
            await self._feed.wait_for(page.revision)

    @property
    def revision(self) -> int:
        """The cache holds what the storage held at this revision."""
        return self._feed.revision

    @property
    def capacity(self) -> int:
        """How many changes watches can begin before, at most."""
        return self._ring.limit

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> Entry | None:
        """Raises Unreadable: to say that there is nothing would be a lie, and others would act on it."""
        entry = self._entries.get(key)
        if entry is None and key in self.unopened:
            raise Unreadable(key, self.unopened[key])
        return entry

    def check(self, prefix: str) -> None:
        """Raises Unreadable if something beneath `prefix` cannot be opened: a listing would not be whole."""
        for key, why in self.unopened.items():
            if key.startswith(prefix):
                raise Unreadable(key, why)

    def having(self, field: str, value: str) -> Collection[Entry]:
        """The entries whose selectable field has this value, from an index kept since it was first asked for."""
        index = self._indexes.get(field)
        if index is None:
            index = self._indexes[field] = FieldIndex(field, self._entries.values())
        return index.get(value)

    def carrying(self, prefix: str, labels: LabelSelector) -> list[Entry] | None:
        """The entries beneath `prefix`, as of now, whose labels the selector matches, in key order. None if they are a
        good part of all: going through those costs no more."""
        most = max(self.snapshot().count(prefix) // WORTHWHILE, FEW)
        keys = self._labels.keys(labels, most)
        if keys is None:
            return None
        return [self._entries[key] for key in sorted(keys) if key.startswith(prefix)]

    def encoded(self, name: str) -> Encoded:
        """The entries in an encoding: not to be held on to, as what is asked of it is kept by its use."""
        found = self._encoded.get(name)
        if found is None:
            found = self._encoded[name] = Encoded(self._clock.monotonic())
        return found

    def snapshot(self) -> Snapshot:
        """Everything as of now. Costs nothing; stays as it is while the cache moves on."""
        return Snapshot(self._feed.revision, self._ordered)

    async def page(self, prefix: str, *, at_revision: int = 0, after: str = "", limit: int = 0) -> EntryPage:
        """A page of the snapshot at `at_revision` (0: the newest, which is then retained for the pages after it).

        A revision no longer retained here, say after a restart, is read from the storage's history.
        Raises Compacted, FutureRevision, StorageError, Unreadable.
        """
        self.check(prefix)
        snapshot: Snapshot | None = self.snapshot()
        if at_revision not in (0, self.revision):
            self._release()
            kept = self._retained.get(at_revision)
            snapshot = kept.snapshot if kept else None
        if snapshot is None:
            return await self._older_page(prefix, at_revision, after, limit)
        entries = snapshot.entries(prefix, after, limit)
        remaining = snapshot.count(prefix, entries[-1].key) if limit and len(entries) == limit else 0
        if remaining:
            self._retain(snapshot)
        return EntryPage(entries, snapshot.revision, remaining)

    def retain(self, revision: int) -> None:
        """Keep the snapshot of this revision for pages to come, if it is the newest."""
        if revision == self.revision:
            self._retain(self.snapshot())

    async def wait_for(self, revision: int) -> None:
        """Return once every write up to `revision` can be read here."""
        await self._feed.wait_for(revision)

    async def fresh(self) -> None:
        """Return once everything written, by any API server, before this call can be read here (one round trip)."""
        await self._feed.fresh()

    def watch(self, prefix: str, from_revision: int, *, buffer: int = 2000) -> Watcher:
        """Every change beneath `prefix` (this cache's, or a longer one, ending in "/") after `from_revision`.

        `buffer`: how many changes may wait for the reader before it is closed as too slow.
        Raises Compacted if the ring no longer reaches back so far ("too old").
        """
        backlog = self._ring.since(from_revision, prefix)
        self.figures.initial += len(backlog)
        watcher = Watcher(prefix, from_revision, buffer, backlog, self._forget)
        self._watchers.setdefault(prefix, []).append(watcher)
        return watcher

    def close(self, error: Exception | None = None) -> None:
        """End every watcher."""
        for watchers in list(self._watchers.values()):
            for watcher in list(watchers):
                watcher.close(error)

    def renew(self, describe: Describe) -> None:
        """End every watcher, and look at every entry anew: the kind of these objects is another from now on."""
        self._describe = describe
        self.close()
        for entry in list(self._entries.values()):
            fresh = self._entry(entry.key, entry.revision, entry.body)
            if fresh is not None:
                self._entries[entry.key] = fresh
                self._labels.change(entry, fresh)
        self._indexes.clear()
        self._ordered = Ordered.of(self._entries.values())
        self._retained.clear()
        self.version += 1

    async def stop(self) -> None:
        """End every watcher and leave the feed (closing it, if it is this cache's own)."""
        if self._own_feed:
            await self._feed.close()
        else:
            self._feed.detach(self)
            self.close()

    def load(self, items: Sequence[Item], revision: int) -> None:
        """Take `items` for the whole truth as of `revision`; watchers are told the differences (the feed's side).

        If the storage went back in time (it was restored from a backup), or something cannot be opened or could not
        until now, there is no telling: watches end as too old.
        """
        self.figures.loads += 1
        stale = dict(self._entries)
        changes: list[Change] = []
        broken, self.unopened = bool(self.unopened), {}
        for item in items:
            old = stale.pop(item.key, None)
            if old is not None and old.revision == item.revision:
                continue
            if (new := self._entry(item.key, item.revision, item.value)) is not None:
                changes.append(Change(item.revision, old, new))
            elif old is not None:
                stale[item.key] = old
        changes += [Change(revision, old, None) for old in stale.values()]
        changes.sort(key=lambda change: change.revision)
        for change in changes:
            if change.new is None:
                del self._entries[change.key]
            else:
                self._entries[change.key] = change.new
            self._reindex(change.old, change.new)
        self._ordered = Ordered.of(self._entries.values())
        self.version += 1
        backwards, self._loaded = revision < self._loaded, revision
        if self._early is not None or backwards or broken or self.unopened:
            self._early = None
            self._start_over(revision)
        elif changes:
            self._ring.extend(changes)
            self._publish(changes)

    def apply(self, events: Sequence[Event]) -> None:
        """Take in events, oldest first (the feed's side)."""
        if self._early is not None:
            self._early += events
            return
        self.figures.received += len(events)
        changes: list[Change] = []
        edits: list[tuple[str, Entry | None]] = []
        broken = False
        for event in events:
            if event.revision <= self._loaded:
                continue
            key = event.key
            old = self._entries.get(key)
            if self.unopened:
                self.unopened.pop(key, None)
            new = None if event.value is None else self._entry(key, event.revision, event.value)
            broken = broken or key in self.unopened
            if new is not None:
                self._entries[key] = new
            elif old is not None:
                del self._entries[key]
            else:
                continue
            self._reindex(old, new)
            edits.append((key, new))
            changes.append(Change(event.revision, old, new))
        if changes:
            self._ordered = self._ordered.succeed(edits)
            self.version += 1
        if broken:  # it has not been deleted, so nobody may be told that it was
            self._start_over(events[-1].revision)
        elif changes:
            self._ring.extend(changes)
            self._publish(changes)

    def _start_over(self, revision: int) -> None:
        """Forget what has been; every watch ends as too old."""
        self._ring = Ring(revision)
        self.close(Compacted(revision))

    def tick(self) -> None:
        """Now and then: let old snapshots and encodings go (the feed's side)."""
        self._release()
        for name, encoded in list(self._encoded.items()):
            encoded.tick(self._clock.monotonic())
            if not encoded:
                del self._encoded[name]

    def _reindex(self, old: Entry | None, new: Entry | None) -> None:
        self._labels.change(old, new)
        for index in self._indexes.values():
            index.change(old, new)

    def _entry(self, key: str, revision: int, stored: bytes) -> Entry | None:
        """None, and a line in the log, for a value that cannot be read: one odd object must not hide the others."""
        if isinstance(stored, Unopened):
            self.unopened[key] = stored.why
            return None
        try:
            return Entry(key, revision, stored, *self._describe(stored))
        except Exception:
            log.exception("the object stored at %s cannot be read, and is left out", key)
            return None

    def _publish(self, changes: list[Change]) -> None:
        """Hand the changes to the watchers of each prefix; the watchers of one prefix share one batch."""
        self.figures.dispatched += len(changes)
        batches: dict[str, list[Change]] = {}
        if len(self._watchers) == 1 and self.prefix in self._watchers:
            batches[self.prefix] = changes
        else:
            for change in changes:
                key = change.key
                at = len(self.prefix) - 1
                while at >= 0:
                    if (parent := key[: at + 1]) in self._watchers:
                        batches.setdefault(parent, []).append(change)
                    at = key.find("/", at + 1)
        for prefix, batch in batches.items():
            size = sum(map(size_of, batch))
            for watcher in self._watchers[prefix].copy():
                watcher.push(batch, size)

    def _forget(self, watcher: Watcher) -> None:
        self.figures.terminated += watcher.slow
        watchers = self._watchers[watcher.prefix]
        watchers.remove(watcher)
        if not watchers:
            del self._watchers[watcher.prefix]

    def _retain(self, snapshot: Snapshot) -> None:
        now, known = self._clock.monotonic(), self._retained.pop(snapshot.revision, None)
        self._retained[snapshot.revision] = Retained(snapshot, known.since if known else now, now)
        self._release()

    def _release(self) -> None:
        """Drop the snapshots that are too many, too old, or of listings that nobody goes on with."""
        now = self._clock.monotonic()
        for revision, (_, since, used) in list(self._retained.items()):
            if now - used >= RETAINED_FOR or now - since >= LONGEST or len(self._retained) > RETAINED:
                del self._retained[revision]

    async def _older_page(self, prefix: str, revision: int, after: str, limit: int) -> EntryPage:
        if revision > self.revision:
            raise FutureRevision(self.revision)
        page = await self._storage.list(prefix, at_revision=revision, limit=limit, after=after)
        for item in page.items:
            if isinstance(item.value, Unopened):
                raise Unreadable(item.key, item.value.why)
        entries = [entry for item in page.items if (entry := self._entry(item.key, item.revision, item.value))]
        return EntryPage(entries, page.revision, page.remaining)
