"""The encrypting storage: what lies in the one beneath, and what becomes of values that do not open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from longboat.aio.clock import VirtualClock
from longboat.storage.encryption.aes import Gcm
from longboat.storage.encryption.keyring import Keyring
from longboat.storage.encryption.sealer import CannotSeal, Clear, Opened, Sealer, Several
from longboat.storage.encryption.storage import REMEMBERED, EncryptedStorage
from longboat.storage.feed import Feed
from longboat.storage.interface import Compacted, Progress, RevisionMismatch, StorageError, Unopened, Unreadable
from longboat.storage.memory import MemoryStorage
from longboat.storage.watchcache import WatchCache

SECRETS, PODS = "/registry/secrets/", "/registry/pods/"
A, B, POD = f"{SECRETS}default/a", f"{SECRETS}default/b", f"{PODS}default/p"


def gcm(name: str) -> Gcm:
    return Gcm(name.encode().ljust(16), prefix=f"k8s:enc:aesgcm:v1:{name}:".encode())


def ring(*sealers: Sealer) -> dict[str, Sealer]:
    return {SECRETS: Several(sealers, unmatched="no matching prefix found")}


def secret(value: str, name: str = "a") -> bytes:
    return msgspec.json.encode({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": name}, "data": value})


class Place:
    """A memory beneath an encrypting storage."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.raw = MemoryStorage(self.clock)
        self.keyring = Keyring(ring(gcm("k")))
        self.storage = EncryptedStorage(self.raw, self.keyring)
        self.feed = Feed(self.storage, self.clock)

    async def cache(self) -> WatchCache:
        def describe(_: bytes) -> tuple[dict[str, str], dict[str, str]]:
            return {}, {}

        made = WatchCache(self.storage, SECRETS, self.clock, describe, feed=self.feed)
        await made.start()
        return made


def run(test: Callable[[Place], Awaitable[None]]) -> Callable[[], None]:
    def wrapped() -> None:
        async def main() -> None:
            place = Place()
            try:
                await test(place)
            finally:
                await place.feed.close()

        asyncio.run(main())

    wrapped.__name__ = test.__name__  # type: ignore[attr-defined]
    return wrapped


async def raw(place: Place, key: str) -> bytes:
    item = await place.raw.get(key)
    assert item is not None
    return item.value


@run
async def test_only_what_is_covered_is_sealed(place: Place) -> None:
    await place.storage.create(A, secret("hunter2"))
    await place.storage.create(POD, b"{pod}")
    assert (await raw(place, A)).startswith(b"k8s:enc:aesgcm:v1:k:")
    assert b"hunter2" not in await raw(place, A)
    assert await raw(place, POD) == b"{pod}"


@run
async def test_a_listing_of_what_is_not_sealed_is_handed_on_untouched(place: Place) -> None:
    await place.storage.create(POD, b"{pod}")
    page = await place.raw.list(PODS)
    assert await place.storage._open_page(page) is page


@run
async def test_a_lost_comparison_shows_what_is_there_in_the_clear(place: Place) -> None:
    revision = await place.storage.create(A, secret("1"))
    for attempt in (place.storage.update(A, secret("2"), expect=99), place.storage.delete(A, expect=99)):
        with pytest.raises(RevisionMismatch) as lost:
            await attempt
        assert lost.value.current is not None
        assert (lost.value.current.value, lost.value.current.revision) == (secret("1"), revision)


@run
async def test_events_are_opened_with_their_previous_values(place: Place) -> None:
    revision = await place.storage.create(A, secret("1"))
    await place.storage.update(A, secret("2"), expect=revision)
    stream = place.storage.watch("/registry/", revision)
    batch = await anext(stream)
    assert not isinstance(batch, Progress)
    assert [(event.value, event.previous) for event in batch] == [(secret("2"), secret("1"))]
    await stream.aclose()  # type: ignore[attr-defined]


@run
async def test_a_value_copied_from_another_key_does_not_open(place: Place) -> None:
    await place.storage.create(A, secret("1"))
    await place.raw.create(B, await raw(place, A))
    moved = await place.storage.get(B)
    assert moved is not None and isinstance(moved.value, Unopened)
    assert moved.value.why == "cipher: message authentication failed"
    page = await place.storage.list(SECRETS)
    assert [type(item.value) for item in page.items] == [bytes, Unopened]


@run
async def test_sealed_bytes_under_a_key_that_is_never_sealed_are_not_shown(place: Place) -> None:
    await place.storage.create(A, secret("1"))
    await place.raw.create(POD, await raw(place, A))
    item = await place.storage.get(POD)
    assert item is not None and isinstance(item.value, Unopened)
    assert item.value.why == "identity transformer tried to read encrypted data"


@run
async def test_staleness_is_judged_by_the_keys_of_now(place: Place) -> None:
    await place.storage.create(A, secret("1"))
    assert not await place.storage.stale(A)
    place.keyring.use(ring(gcm("new"), gcm("k"), Clear()))
    assert await place.storage.stale(A)
    assert not await place.storage.stale(B)
    await place.raw.create(B, secret("1", "b"))
    assert await place.storage.stale(B)


@run
async def test_a_value_that_cannot_be_sealed_is_not_stored(place: Place) -> None:
    class Away:
        prefix = b"k8s:enc:kms:v2:away:"

        async def seal(self, key: str, plain: bytes) -> bytes:
            raise CannotSeal("the service is away")

        async def open(self, key: str, sealed: bytes) -> Opened:
            raise NotImplementedError

    place.keyring.use(ring(Away()))
    with pytest.raises(StorageError, match="the service is away"):
        await place.storage.create(A, secret("1"))
    assert await place.raw.get(A) is None


@run
async def test_the_cache_says_what_cannot_be_opened_instead_of_hiding_it(place: Place) -> None:
    await place.storage.create(A, secret("1"))
    await place.raw.create(B, await raw(place, A))
    cache = await place.cache()
    assert cache.get(A) is not None
    why = 'unable to transform key "/registry/secrets/default/b": cipher: message authentication failed'
    for attempt in (lambda: cache.get(B), lambda: cache.check(SECRETS)):
        with pytest.raises(Unreadable) as refused:
            attempt()
        assert str(refused.value) == why
    with pytest.raises(Unreadable):
        await cache.page(SECRETS)
    await cache.page(f"{SECRETS}other/")


@run
async def test_a_value_that_becomes_unreadable_is_not_told_as_a_deletion(place: Place) -> None:
    revision = await place.storage.create(A, secret("1"))
    cache = await place.cache()
    watcher = cache.watch(SECRETS, revision)
    await cache.wait_for(await place.raw.update(A, b"k8s:enc:junk", expect=revision))
    with pytest.raises(Compacted):
        await anext(watcher)
    with pytest.raises(Unreadable):
        cache.get(A)
    again = await place.raw.get(A)
    assert again is not None
    watcher = cache.watch(SECRETS, again.revision)
    await cache.wait_for(await place.storage.update(A, secret("2"), expect=again.revision))
    (change,) = await anext(watcher)  # type: ignore[misc]
    assert change.old is None and change.new is not None
    assert cache.get(A) is not None


@run
async def test_what_could_not_be_opened_is_read_again_when_the_keys_change(place: Place) -> None:
    await place.storage.create(A, secret("1"))
    place.keyring.use(ring(gcm("other")))
    cache = await place.cache()
    with pytest.raises(Unreadable):
        cache.get(A)
    watcher = cache.watch(SECRETS, cache.revision)
    place.keyring.use(ring(gcm("other"), gcm("k")))
    place.feed.read_again()
    with pytest.raises(Compacted):
        await anext(watcher)
    assert cache.get(A) is not None
    cache.check(SECRETS)
    await cache.wait_for(await place.storage.create(B, secret("3", "b")))
    assert cache.get(B) is not None


class Counting(Gcm):
    opened = 0

    async def open(self, key: str, sealed: bytes) -> Opened:
        self.opened += 1
        return await super().open(key, sealed)


@run
async def test_an_event_of_what_was_sealed_here_is_not_opened_again(place: Place) -> None:
    """Once, for its own key alone, and not for ever."""
    sealer = Counting(b"k" * 16, prefix=b"k8s:enc:aesgcm:v1:k:")
    storage = EncryptedStorage(place.raw, Keyring(ring(sealer)))

    async def told(after: int) -> list[object]:
        stream = storage.watch(SECRETS, after)
        batch = await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        assert not isinstance(batch, Progress)
        return [event.value for event in batch]

    start = await storage.current_revision()
    first = await storage.create(A, secret("1"))
    assert await told(start) == [secret("1")] and sealer.opened == 0
    assert await told(start) == [secret("1")] and sealer.opened == 1
    second = await storage.update(A, secret("2"), expect=first)
    await place.raw.create(B, await raw(place, A))
    values = await told(second)
    assert isinstance(values[0], Unopened)
    for i in range(100):
        await storage.create(f"{SECRETS}default/x{i}", secret("x" * 20_000))
    assert storage._size <= REMEMBERED and storage._size == sum(len(k) + len(v) for k, (_, v) in storage._fresh.items())
