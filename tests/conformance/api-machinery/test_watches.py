"""Watches of objects by their labels and from a revision on (sig-api-machinery, Watchers)."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack

from conformance.stage import inside
from conformance.verbs import Verbs
from conformance.watching import new, told, watched
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

LABEL = "watch-this-configmap"
ITERATIONS = 100


def labelled(value: str) -> Object:
    return {"labels": {LABEL: value}}


async def mutate(maps: Verbs, name: str, value: str) -> Object:
    return await maps.update(name, lambda obj: obj.update(data={"mutation": value}))


@inside
async def test_several_watchers(cluster: Cluster) -> None:
    """Conformance: watch-configmaps-with-multiple-watchers"""
    maps = Verbs(cluster, "configmap")
    async with (
        watched(maps, labels=f"{LABEL} in (A)") as of_a,
        watched(maps, labels=f"{LABEL} in (B)") as of_b,
        watched(maps, labels=f"{LABEL} in (A,B)") as of_both,
    ):
        made = await maps.create("a", {}, **labelled("A"))
        assert (new(of_a), new(of_both), new(of_b)) == ([("ADDED", made)], [("ADDED", made)], [])
        for value in ("1", "2"):
            changed = await mutate(maps, "a", value)
            assert changed["data"] == {"mutation": value}
            assert (new(of_a), new(of_both), new(of_b)) == ([("MODIFIED", changed)], [("MODIFIED", changed)], [])
        await maps.delete("a")
        assert (told(of_a), told(of_both), told(of_b)) == ([("DELETED", "a")], [("DELETED", "a")], [])
        made = await maps.create("b", {}, **labelled("B"))
        assert (new(of_a), new(of_both), new(of_b)) == ([], [("ADDED", made)], [("ADDED", made)])
        await maps.delete("b")
        assert (told(of_a), told(of_both), told(of_b)) == ([], [("DELETED", "b")], [("DELETED", "b")])


@inside
async def test_from_a_revision(cluster: Cluster) -> None:
    """Conformance: watch-configmaps-from-resource-version"""
    maps = Verbs(cluster, "configmap")
    await maps.create("old", {}, **labelled("from-resource-version"))
    first = await mutate(maps, "old", "1")
    second = await mutate(maps, "old", "2")
    await maps.delete("old")
    selector = f"{LABEL} in (from-resource-version)"
    async with watched(maps, labels=selector, since=first["metadata"]["resourceVersion"]) as events:
        assert events[0] == ("MODIFIED", second)
        assert told(events) == [("MODIFIED", "old"), ("DELETED", "old")]


@inside
async def test_restarted(cluster: Cluster) -> None:
    """Conformance: watch-configmaps-closed-and-restarted"""
    maps, selector = Verbs(cluster, "configmap"), f"{LABEL} in (watch-closed-and-restarted)"
    async with watched(maps, labels=selector) as events:
        made = await maps.create("one", {}, **labelled("watch-closed-and-restarted"))
        once = await mutate(maps, "one", "1")
        assert new(events) == [("ADDED", made), ("MODIFIED", once)]
    twice = await mutate(maps, "one", "2")
    assert events == [], "it is closed"
    async with watched(maps, labels=selector, since=once["metadata"]["resourceVersion"]) as events:
        await maps.delete("one")
        assert events[0] == ("MODIFIED", twice)
        assert told(events) == [("MODIFIED", "one"), ("DELETED", "one")]


@inside
async def test_labels_change(cluster: Cluster) -> None:
    """Conformance: watch-configmaps-label-changed"""
    maps = Verbs(cluster, "configmap")
    async with watched(maps, labels=f"{LABEL} in (label-changed-and-restored)") as events:
        made = await maps.create("one", {}, **labelled("label-changed-and-restored"))
        once = await mutate(maps, "one", "1")
        await maps.relabel("one", **{LABEL: "wrong-value"})
        assert events[:2] == [("ADDED", made), ("MODIFIED", once)]
        assert told(events)[2:] == [("DELETED", "one")]
        await mutate(maps, "one", "2")
        assert new(events) == [], "it is no concern of this watch any more"
        restored = await maps.relabel("one", **{LABEL: "label-changed-and-restored"})
        thrice = await mutate(maps, "one", "3")
        await maps.delete("one")
        assert events[:2] == [("ADDED", restored), ("MODIFIED", thrice)]
        assert told(events)[2:] == [("DELETED", "one")]


async def produce(maps: Verbs, dice: random.Random, existing: list[str], count: int) -> None:
    """One write of any sort."""
    what = dice.choice(("create", "update", "delete")) if existing else "create"
    if what == "create":
        existing.append(f"cm-{count}")
        await maps.create(existing[-1], {})
    elif what == "update":
        await maps.update(dice.choice(existing), lambda obj: obj["metadata"].update(labels={"mutated": str(count)}))
    else:
        await maps.delete(existing.pop(dice.randrange(len(existing))))


@inside
async def test_consistency(cluster: Cluster) -> None:
    """Conformance: watch-consistency"""
    maps, dice, existing = Verbs(cluster, "configmap"), random.Random(1), list[str]()
    page = await cluster.client.list_page(maps.kind, namespace=maps.namespace, limit=0)
    since = page.resource_version
    async with AsyncExitStack() as stack:
        watches: list[list[tuple[str, Object]]] = []
        for count in range(ITERATIONS):
            watches.append(await stack.enter_async_context(watched(maps, since=since)))
            await produce(maps, dice, existing, count)
            (since,) = {event[1]["metadata"]["resourceVersion"] for event in (each[0] for each in map(new, watches))}
        assert not any(watches), "and nothing else"
