"""The storage as the API server sees it, in etcd: keys and values where upstream has them.

Reads are etcd's linearizable ones. Every watch is one of all that lies beneath the prefix; what is not asked for is
left out here, so that one key can say how far any watch has come.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

import grpc
import grpc.aio

from longboat.aio.clock import Clock
from longboat.storage.etcd import problems
from longboat.storage.etcd.address import Address
from longboat.storage.etcd.follower import Follower
from longboat.storage.etcd.keys import Keys
from longboat.storage.etcd.leases import Leases
from longboat.storage.etcd.member import request
from longboat.storage.etcd.members import LISTING, Members
from longboat.storage.interface import (
    Compacted,
    Event,
    FutureRevision,
    Item,
    KeyExists,
    Page,
    Progress,
    RevisionMismatch,
    StorageError,
)

log = logging.getLogger(__name__)

FIRST, MOST = 200, 10_000  # keys of a listing fetched at once: at first, and when they prove small
PIECE = 4 << 20  # bytes to fetch at once, about
LAST_REVISION = 2**63 - 1
MOD, VALUE = 2, 3  # Compare.CompareTarget


class EtcdStorage:
    """Implements `Storage`. Made by `connect`."""

    def __init__(self, address: Address, clock: Clock) -> None:
        self.address = address
        self.keys = Keys(address.prefix)
        self.members = Members(address, clock)
        self._clock = clock
        self._leases = Leases(self._grant, clock)
        self._followers: set[Follower] = set()
        self._told = 0  # the newest revision that anybody was told of
        self._closed = False

    async def open(self) -> None:
        """See that it can be used, and that most of its members are there. Raises StorageError."""
        await self.members.open()
        await self.head()

    async def get(self, key: str) -> Item | None:
        found = await self._read("Range", request("RangeRequest", key=self.keys.inner(key)))
        return self._item(found.kvs[0]) if found.kvs else None

    async def list(self, prefix: str, *, at_revision: int = 0, limit: int = 0, after: str = "") -> Page:
        """Fetched in pieces of one revision, so that neither side holds it twice."""
        low, end = self.keys.range(prefix, after)
        items: list[Item] = []
        revision, most = at_revision, FIRST
        while True:
            asked = min(most, limit - len(items)) if limit else most
            try:
                part = await self._range(low, end, revision, asked)
            except _TooLarge:
                most = max(asked // 4, 1)
                continue
            revision = revision or part.header.revision
            items += map(self._item, part.kvs)
            remaining = part.count - len(part.kvs)
            if not part.more or (limit and len(items) >= limit):
                return Page(items, revision, remaining)
            low = part.kvs[-1].key + b"\0"
            size = sum(len(each.value) for each in part.kvs) // len(part.kvs) + 1
            most = min(max(PIECE // size, 1), MOST, 4 * most)

    async def create(self, key: str, value: bytes, *, ttl: float | None = None) -> int:
        answer = await self._swap(key, 0, value, ttl)
        if not answer.succeeded:
            raise KeyExists(key)
        return int(answer.header.revision)

    async def update(self, key: str, value: bytes, *, expect: int, ttl: float | None = None) -> int:
        await self._check_possible(key, expect)
        answer = await self._swap(key, expect, value, ttl)
        return self._revision(answer)

    async def delete(self, key: str, *, expect: int) -> int:
        await self._check_possible(key, expect)
        inner = self.keys.inner(key)
        gone = request("RequestOp", request_delete_range=request("DeleteRangeRequest", key=inner))
        return self._revision(await self._transact(inner, expect, gone))

    async def watch(
        self, prefix: str, from_revision: int, *, previous: bool = True
    ) -> AsyncIterator[Sequence[Event] | Progress]:
        self._check_open()
        follower = self._follower(from_revision, previous)
        follower.hurry(self._told)  # whoever was told of it before may wait for this watch to come there
        self._followers.add(follower)
        batches = follower.batches()
        try:
            async for batch in batches:
                if isinstance(batch, Progress):
                    yield batch
                    continue
                wanted = [event for event in batch if event.key.startswith(prefix)]
                if wanted:
                    yield wanted
                if not wanted or wanted[-1].revision < batch[-1].revision:
                    yield Progress(batch[-1].revision)
        finally:
            self._followers.discard(follower)
            await batches.aclose()  # type: ignore[attr-defined]

    async def stale(self, key: str) -> bool:
        return False

    async def current_revision(self) -> int:
        """Every watch under way is brought up to it, though what was written last may lie beneath other prefixes."""
        revision = self._told = max(await self.head(), self._told)
        for follower in self._followers:
            follower.hurry(revision)
        return revision

    async def compact(self, revision: int) -> None:
        with suppress(Compacted):
            await self._write("KV", "Compact", request("CompactionRequest", revision=revision))

    async def purge(self) -> None:
        """Forget all history. Its bytes are free in etcd's files then, and gone once those are defragmented."""
        asked = request("CompactionRequest", revision=await self.head(), physical=True)
        with suppress(Compacted):
            await self._write("KV", "Compact", asked)

    # what Longboat keeps for itself

    async def read_own(self, key: bytes) -> bytes | None:
        found = await self._read("Range", request("RangeRequest", key=key))
        return found.kvs[0].value if found.kvs else None

    async def swap_own(self, key: bytes, expect: bytes | None, value: bytes) -> bool:
        """Whether `expect` was there (None: nothing), and now is `value`."""
        if expect is None:
            compare = request("Compare", key=key, target=MOD, mod_revision=0)
        else:
            compare = request("Compare", key=key, target=VALUE, value=expect)
        put = request("RequestOp", request_put=request("PutRequest", key=key, value=value))
        look = request("RequestOp", request_range=request("RangeRequest", key=key))
        return bool((await self.transact(compare, put, look)).succeeded)

    async def lease_of(self, key: str) -> int:
        """The lease that the key goes with; 0: none, or no such key."""
        found = await self._read("Range", request("RangeRequest", key=self.keys.inner(key), keys_only=True))
        return found.kvs[0].lease if found.kvs else 0

    async def holds_anything(self) -> bool:
        first, end = self.keys.all
        found = await self._read("Range", request("RangeRequest", key=first, range_end=end, limit=1, keys_only=True))
        return bool(found.kvs)

    async def close(self) -> None:
        """Disconnect. etcd goes on."""
        self._closed = True
        for follower in list(self._followers):
            await follower.close()
        await self.members.close()

    def _follower(self, seen: int, previous: bool) -> Follower:
        return Follower(self.members, self.keys, self._clock, seen, previous, self.head, self._mark)

    # reading

    async def head(self) -> int:
        """The newest revision of all."""
        asked = request("RangeRequest", key=self.keys.identity, count_only=True)
        return int((await self._read("Range", asked)).header.revision)

    async def _range(self, low: bytes, end: bytes, revision: int, limit: int) -> Any:
        if low >= end:
            low = end  # nothing lies beyond the last key: an empty range, from which the revision is told all the same
        asked = request("RangeRequest", key=low, range_end=end, revision=revision, limit=limit)
        return await self._read("Range", asked, timeout=LISTING)

    async def _read(self, name: str, asked: Any, **options: float) -> Any:
        self._check_open()
        try:
            return await self.members.read("KV", name, asked, **options)
        except grpc.aio.AioRpcError as error:
            raise await self._meaning(error) from None

    async def _meaning(self, error: grpc.aio.AioRpcError) -> Exception:
        if problems.compacted(error):
            return Compacted(await self.oldest())
        if problems.future(error):
            return FutureRevision(await self.head())
        if problems.too_large(error):
            return _TooLarge(problems.explain(error))
        if problems.lease_gone(error):
            return _LeaseGone(problems.explain(error))
        return StorageError(f"{self.address}: {problems.explain(error)}")

    async def oldest(self) -> int:
        """The revision up to which history is gone: etcd tells of it only to who watches from before."""
        batches = self._follower(0, previous=False).batches()
        try:
            await anext(batches)
        except Compacted as compacted:
            return compacted.oldest
        finally:
            await batches.aclose()  # type: ignore[attr-defined]
        return 0

    def _item(self, kv: Any) -> Item:
        return Item(self.keys.outer(kv.key), kv.value, kv.mod_revision)

    # writing

    async def _swap(self, key: str, expect: int, value: bytes, ttl: float | None) -> Any:
        inner = self.keys.inner(key)
        while True:
            lease = await self._leases.take(ttl) if ttl is not None else 0
            put = request("RequestOp", request_put=request("PutRequest", key=inner, value=value, lease=lease))
            try:
                return await self._transact(inner, expect, put)
            except _LeaseGone:
                self._leases.forget(lease)

    async def _transact(self, inner: bytes, expect: int, change: Any) -> Any:
        """Carry out `change` if the key was last written at `expect` (0: is not there), else tell what is there."""
        compare = request("Compare", key=inner, target=MOD, mod_revision=expect)
        look = request("RequestOp", request_range=request("RangeRequest", key=inner))
        return await self.transact(compare, change, look)

    async def transact(self, compare: Any, change: Any, otherwise: Any) -> Any:
        """Messages of etcd's: one comparison, and what to do. Raises StorageError."""
        asked = request("TxnRequest", compare=[compare], success=[change], failure=[otherwise])
        return await self._write("KV", "Txn", asked)

    async def _write(self, service: str, name: str, asked: Any) -> Any:
        self._check_open()
        try:
            return await self.members.write(service, name, asked)
        except grpc.aio.AioRpcError as error:
            raise await self._meaning(error) from None

    async def _check_possible(self, key: str, expect: int) -> None:
        """0 would mean that nothing is there, and etcd counts no further than 64 bits. Raises RevisionMismatch."""
        if not 0 < expect <= LAST_REVISION:
            raise RevisionMismatch(await self.get(key))

    def _revision(self, answer: Any) -> int:
        """Raises RevisionMismatch."""
        if not answer.succeeded:
            found = answer.responses[0].response_range.kvs
            raise RevisionMismatch(self._item(found[0]) if found else None)
        return int(answer.header.revision)

    async def _grant(self, seconds: int) -> int:
        return int((await self._write("Lease", "LeaseGrant", request("LeaseGrantRequest", TTL=seconds))).ID)

    async def _mark(self) -> None:
        await self._write("KV", "Put", request("PutRequest", key=self.keys.mark))

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError("the storage has been closed")


class _TooLarge(StorageError):
    pass


class _LeaseGone(StorageError):
    pass


async def connect(address: Address, clock: Clock) -> EtcdStorage:
    """A client of the etcd at `address`. Raises StorageError if it cannot be used now."""
    storage = EtcdStorage(address, clock)
    try:
        await storage.open()
    except BaseException:
        await storage.close()
        raise
    return storage
