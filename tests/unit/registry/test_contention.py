"""Many writers of one object: each gets through, in turn, until its time is over."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from longboat.aio.clock import SystemClock, VirtualClock
from longboat.api import kinds
from longboat.apiserver.app import APIServer, Config
from longboat.client.interface import Key
from longboat.client.rest import RestClient
from longboat.machinery.errors import StatusError
from longboat.registry.write import Write
from longboat.storage.interface import RevisionMismatch
from longboat.storage.memory import MemoryStorage

HOT = "/registry/configmaps/default/hot"


class Distant(MemoryStorage):
    """A storage that takes a moment to answer, as all do but this one's own; `busy`: somebody else always is faster."""

    def __init__(self, clock: Any) -> None:
        super().__init__(clock)
        self.tries = 0
        self.busy = False

    async def update(self, key: str, value: bytes, *, expect: int, ttl: float | None = None) -> int:
        if key == HOT:
            self.tries += 1
            for _ in range(3):
                await asyncio.sleep(0)
            if self.busy:
                await self._clock.sleep(0.01)
                raise RevisionMismatch(await self.get(key))
        return await super().update(key, value, expect=expect, ttl=ttl)


def play(scene: Any, clock: Any) -> None:
    async def main() -> None:
        storage = Distant(clock)
        server = APIServer(storage, clock, Config())
        await server.start()
        client = RestClient(server.transport("admin", "system:masters"), clock)
        await client.create(kinds.CONFIG_MAP, {"metadata": {"name": "hot"}}, namespace="default")
        await scene(storage, client)
        await server.close()
        await storage.close()

    asyncio.run(main())


@pytest.mark.parametrize("style", ["merge", "strategic", "put"])
def test_each_of_many_writers_gets_through(style: str) -> None:
    async def scene(storage: Distant, client: RestClient) -> None:
        async def write(number: int) -> None:
            data = {"data": {f"k{number}": ""}, "metadata": {"name": "hot"}}
            if style == "put":  # without a resourceVersion: whatever is there
                await client.update(kinds.CONFIG_MAP, Key("default", "hot"), data)
            else:
                await client.patch(kinds.CONFIG_MAP, Key("default", "hot"), data, style=style)

        await asyncio.gather(*(write(number) for number in range(100)))
        found = msgspec.json.decode(await client.get_raw(kinds.CONFIG_MAP, Key("default", "hot")))
        if style != "put":
            assert len(found["data"]) == 100
        assert storage.tries <= 300  # they do not fight for it

    play(scene, SystemClock())


def test_it_goes_on_until_the_deadline_and_no_longer() -> None:
    clock = VirtualClock()

    async def scene(storage: Distant, client: RestClient) -> None:
        storage.busy = True
        key, patch = Key("default", "hot"), {"data": {"a": "b"}}
        asked = asyncio.create_task(client.patch(kinds.CONFIG_MAP, key, patch))
        await clock.advance(59)
        assert not asked.done() and storage.tries > 1000
        await clock.advance(2)
        with pytest.raises(StatusError) as refused:
            await asked
        assert (refused.value.code, refused.value.reason) == (504, "Timeout")
        tries = storage.tries
        await clock.advance(10)
        assert storage.tries == tries

    play(scene, clock)


def test_what_rests_on_a_version_is_told_of_the_conflict_at_once() -> None:
    clock = VirtualClock()

    async def scene(storage: Distant, client: RestClient) -> None:
        storage.busy = True
        key = Key("default", "hot")
        found = msgspec.json.decode(await client.get_raw(kinds.CONFIG_MAP, key))
        asked = asyncio.create_task(client.update(kinds.CONFIG_MAP, key, {**found, "data": {"a": "b"}}))
        await clock.advance(1)
        with pytest.raises(StatusError) as refused:
            await asked
        assert refused.value.code == 409 and storage.tries == 1

    play(scene, clock)


def test_a_warning_is_given_once_however_often_it_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        storage = Distant(SystemClock())
        server = APIServer(storage, SystemClock(), Config())
        await server.start()
        store = server.stores[kinds.CONFIG_MAP]
        await store.create({"metadata": {"name": "hot"}}, "default", Write())
        monkeypatch.setattr(store.strategy, "warnings", lambda new, old: ["told"])
        writes = [Write(warnings=["read"]) for _ in range(5)]
        data = [{"data": {str(number): ""}} for number in range(5)]
        await asyncio.gather(
            *(store.update("default", "hot", lambda old, d=d: old | d, write, retry=True)  # type: ignore[misc]
              for d, write in zip(data, writes, strict=True))
        )  # fmt: skip
        assert storage.tries > 5
        assert all(write.warnings == ["read", "told"] for write in writes)
        await server.close()
        await storage.close()

    asyncio.run(main())
