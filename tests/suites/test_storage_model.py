"""Any sequence of operations on any storage gives what a simple model of it gives."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longboat.storage.interface import Compacted, Event, Item, KeyExists, RevisionMismatch, Storage
from suites.backends import BACKENDS, events

KEYS = st.sampled_from(["a", "a-b", "a/b", "a/c", "b", "b/a/a"])
VALUES = st.binary(max_size=4)
BACK = st.integers(0, 12)  # how many revisions ago
OPERATIONS = st.one_of(
    st.tuples(st.just("create"), KEYS, VALUES),
    st.tuples(st.just("update"), KEYS, VALUES, st.booleans()),
    st.tuples(st.just("delete"), KEYS, st.booleans()),
    st.tuples(st.just("list"), st.sampled_from(["", "a/", "b/"]), BACK, st.integers(0, 4), KEYS | st.just("")),
    st.tuples(st.just("watch"), st.sampled_from(["", "a/"]), BACK),
    st.tuples(st.just("compact"), BACK),
)
EXAMPLES = {"etcd": 12, "etcd-3.5": 12}  # a watch of what has been costs a tenth of a second there


class Model:
    """Each state there has been, by revision."""

    def __init__(self, base: int, marked: bool = False) -> None:
        self.marked = marked
        self.revision = self.oldest = base
        self.states: dict[int, dict[str, Item]] = {base: {}}
        self.history: list[Event] = []

    @property
    def now(self) -> dict[str, Item]:
        return self.states[self.revision]

    def write(self, key: str, value: bytes | None, revision: int) -> None:
        state = dict(self.now)
        before = state.pop(key, None)
        if value is not None:
            state[key] = Item(key, value, revision)
        self.history.append(Event(key, revision, value, before.value if before else None))
        self.revision = revision
        self.states[revision] = state

    def reach(self, revision: int) -> None:
        """Nothing happened since, but where etcd cannot tell of a watch's progress and a key had to be written."""
        assert revision == self.revision or (revision > self.revision and self.marked)
        for passed in range(self.revision + 1, revision + 1):
            self.states[passed] = self.now
        self.revision = revision


async def check(storage: Storage, root: str, operations: list[tuple[object, ...]], marked: bool) -> None:
    model = Model(await storage.current_revision(), marked)
    await storage.compact(model.revision)
    for operation in operations:
        match operation:
            case ("create", str(name), bytes(value)):
                if root + name in model.now:
                    with pytest.raises(KeyExists):
                        await storage.create(root + name, value)
                else:
                    model.write(root + name, value, await storage.create(root + name, value))
            case ("update", str(name), bytes(value), bool(fresh)):
                there = model.now.get(root + name)
                if there and fresh:
                    model.write(there.key, value, await storage.update(there.key, value, expect=there.revision))
                else:
                    with pytest.raises(RevisionMismatch) as lost:
                        await storage.update(root + name, value, expect=there.revision - 1 if there else 1)
                    assert lost.value.current == there
            case ("delete", str(name), bool(fresh)):
                there = model.now.get(root + name)
                if there and fresh:
                    model.write(there.key, None, await storage.delete(there.key, expect=there.revision))
                else:
                    with pytest.raises(RevisionMismatch) as lost:
                        await storage.delete(root + name, expect=there.revision - 1 if there else 1)
                    assert lost.value.current == there
            case ("list", str(prefix), int(back), int(limit), str(name)):
                at = model.revision - back
                asked = storage.list(root + prefix, at_revision=at, limit=limit, after=root + name if name else "")
                if at < model.oldest:
                    with pytest.raises(Compacted):
                        await asked
                else:
                    page = await asked
                    expected = [
                        item
                        for key, item in sorted(model.states[at].items())
                        if key.startswith(root + prefix) and (not name or key > root + name)
                    ]
                    assert page.items == (expected[:limit] if limit else expected)
                    assert page.remaining == (max(len(expected) - limit, 0) if limit else 0)
                    assert page.revision == at
            case ("watch", str(prefix), int(back)):
                after = model.revision - back
                told = events(storage, root + prefix, after, model.revision)
                if after < model.oldest:
                    with pytest.raises(Compacted):
                        await told
                else:
                    assert await told == [
                        event
                        for event in model.history
                        if event.revision > after and event.key.startswith(root + prefix)
                    ]
            case ("compact", int(back)):
                model.oldest = max(model.oldest, model.revision - back)
                await storage.compact(model.oldest)
        model.reach(await storage.current_revision())


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_storage_behaves_as_its_model(backend: str) -> None:
    with asyncio.Runner() as runner:
        opened = BACKENDS[backend]()
        storage, _ = runner.run(opened.__aenter__())
        for i in range(12):  # so that no revision asked for is 0, which would mean the newest
            runner.run(storage.create(f"/registry/{i}", b""))
        example = iter(range(1_000_000))

        @settings(max_examples=EXAMPLES.get(backend, 150))
        @given(st.lists(OPERATIONS, max_size=40))
        def explore(operations: list[tuple[object, ...]]) -> None:
            runner.run(check(storage, f"/registry/{next(example)}/", operations, backend == "etcd"))

        try:
            explore()
        finally:
            runner.run(opened.__aexit__(None, None, None))
