"""How code without I/O gets the versions of objects that somebody else makes."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from longboat.aio.bench import HERE
from longboat.registry.conversion import (
    BATCH,
    Conversions,
    Together,
    Unconverted,
    Unconvertible,
    batches,
    converted,
    untouched,
)
from longboat.storage.entry import Entry


def on_a_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*args: Any, **more: Any) -> None:
        async def main() -> None:
            await test(*args, **more)

        asyncio.run(main())

    return run


class Renaming:
    """Makes any version of any other, and notes what it has been asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.fails = False

    async def convert(self, objects: Sequence[Any], to: str) -> list[Any]:
        self.asked.append((to, len(objects)))
        await asyncio.sleep(0)
        if self.fails:
            raise Unconvertible("no")
        return [{**obj, "apiVersion": to, "by": "webhook"} for obj in objects]

    def close(self) -> None:
        pass


def obj(**more: Any) -> Any:
    return {"apiVersion": "v1", "kind": "K", "metadata": {"name": "a", **more}}


def entry(name: str = "a", size: int = 0, version: str = "v1") -> Entry:
    plain = f'{{"kind":"K","apiVersion":"{version}","metadata":{{"name":"{name}"}},"x":"{"y" * size}"}}'
    return Entry(f"/registry/ks/{name}", 1, plain.encode(), {}, {})


@on_a_loop
async def test_work_begins_anew_until_it_has_what_it_lacks_and_each_object_is_asked_for_once() -> None:
    who, begun = Renaming(), 0

    def work(start: Any) -> Any:
        nonlocal begun
        begun += 1
        return converted(who, converted(who, start, "v2"), "v3")

    known = Conversions(HERE.run)
    found = await known.run(work, obj(resourceVersion="7"))
    assert (found["apiVersion"], found["by"], found["metadata"]["resourceVersion"]) == ("v3", "webhook", "7")
    assert (begun, who.asked) == (3, [("v2", 1), ("v3", 1)])
    later = await known.run(work, obj(resourceVersion="8", managedFields=[{}]))
    assert later["metadata"] == {"name": "a", "resourceVersion": "8", "managedFields": [{}]}
    assert (begun, len(who.asked)) == (4, 2), "another revision of the same object"


@on_a_loop
async def test_what_fails_is_told_with_what_it_was_for() -> None:
    who = Renaming()
    who.fails = True
    with pytest.raises(Unconvertible, match=r"^failed to prune fields: no$") as told:
        await Conversions(HERE.run).run(lambda: converted(who, obj(), "v2", "failed to prune fields: "))
    assert (told.value.code, told.value.reason) == (500, "")


@on_a_loop
async def test_nothing_is_taken_for_converted_where_nobody_asks() -> None:
    who = Renaming()
    with pytest.raises(Unconverted):
        converted(who, obj(), "v2")
    assert await untouched(HERE.run)(converted, who, obj(), "v2") == obj()
    with pytest.raises(Unconverted):
        converted(who, obj(), "v2")  # what has been known to one is not known to the next
    assert who.asked == []


@on_a_loop
async def test_who_wants_what_somebody_has_begun_with_waits_for_it() -> None:
    together, made, gate, calls = Together(), set[str](), asyncio.Event(), []
    entries = [entry(name) for name in "abc"]

    async def make(those: list[Entry]) -> None:
        calls.append([each.key[-1] for each in those])
        await gate.wait()
        made.update(each.key for each in those)

    def lacking(*wanted: Entry) -> Any:
        return lambda: [each for each in wanted if each.key not in made]

    first = asyncio.ensure_future(together.have(lacking(*entries[:2]), make))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(together.have(lacking(*entries[1:]), make))
    await asyncio.sleep(0)
    assert calls == [["a", "b"], ["c"]]
    gate.set()
    await asyncio.gather(first, second)
    assert len(calls) == 2


@pytest.mark.parametrize("gone", [False, True], ids=("failed", "gone"))
@on_a_loop
async def test_who_waits_hears_of_a_failure_and_begins_anew_where_the_first_has_gone(gone: bool) -> None:
    together, calls, made = Together(), 0, set[str]()
    one = entry()

    async def make(those: list[Entry]) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            await asyncio.sleep(0.01)
            raise Unconvertible("no")
        made.update(each.key for each in those)

    def lacking() -> list[Entry]:
        return [] if one.key in made else [one]

    first, second = (asyncio.ensure_future(together.have(lacking, make)) for _ in range(2))
    await asyncio.sleep(0)
    if gone:
        first.cancel()
        await second
        assert (calls, first.cancelled()) == (2, True)
        return
    for each in (first, second):
        with pytest.raises(Unconvertible, match="no"):
            await each
    assert calls == 1


def test_those_of_one_version_go_together_and_no_more_than_a_bound() -> None:
    many = [entry(f"a{i}", BATCH // 3) for i in range(5)] + [entry("b", 2 * BATCH, "v2"), entry("c", 1, "v2")]
    found = [(version, [each.key.rpartition("/")[2] for each in batch]) for version, batch in batches(many, _version)]
    assert found == [
        ("v1", ["a0", "a1"]), ("v1", ["a2", "a3"]), ("v2", ["b"]), ("v1", ["a4"]), ("v2", ["c"]),
    ]  # fmt: skip


def _version(each: Entry) -> str:
    return "v2" if b'"apiVersion":"v2"' in each.body else "v1"
