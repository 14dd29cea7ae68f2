"""Events of both APIs (sig-instrumentation)."""

from __future__ import annotations

from typing import Any

import msgspec

from conformance.stage import inside
from conformance.verbs import Verbs
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

SOME_TIME = "2017-09-19T13:49:16.000000Z"
NAMES = ("test-event-1", "test-event-2", "test-event-3")
CORE, NEW = "v1", "events.k8s.io/v1"


class Events(Verbs):
    def __init__(self, cluster: Cluster, version: str) -> None:
        group, _, name = version.rpartition("/")
        self.cluster, self.namespace = cluster, "default"
        self.kind: Kind = next(
            resource.kind for resource in cluster.api.resources
            if (resource.kind.plural, resource.kind.group, resource.kind.version) == ("events", group, name)
        )  # fmt: skip

    async def chosen(self, fields: str) -> list[str]:
        page = await self.cluster.client.list_page(self.kind, namespace=self.namespace, fields=fields, limit=0)
        return [msgspec.json.decode(item)["metadata"]["name"] for item in page.items]


def core_event(name: str, **fields: Any) -> Object:
    about = {"namespace": "default"}
    return {"message": f"This is {name}", "reason": "Test", "type": "Normal", "involvedObject": about, **fields}


def new_event(name: str) -> Object:
    return {
        "regarding": {"namespace": "default"},
        "eventTime": SOME_TIME,
        "note": f"This is {name}",
        "action": "Do",
        "reason": "Test",
        "type": "Normal",
        "reportingController": "test-controller",
        "reportingInstance": "test-node",
    }


def lasting(obj: Object) -> Object:
    """Without what each write sets."""
    meta = {key: value for key, value in obj["metadata"].items() if key not in ("resourceVersion", "managedFields")}
    return {**obj, "metadata": meta}


async def together(cluster: Cluster, version: str, make: Any) -> None:
    """A set of them is found by its label, and goes at once."""
    events = Events(cluster, version)
    for name in NAMES:
        await events.create(name, make(name), labels={"testevent-set": "true"})
    await events.create("other", make("other"))
    found = await events.list("testevent-set=true")
    assert [event["metadata"]["name"] for event in found] == list(NAMES)
    await events.delete_collection("testevent-set=true")
    assert await events.list("testevent-set=true") == []
    assert await events.are_left("other")


@inside
async def test_core_event(cluster: Cluster) -> None:
    """Conformance: Event, manage lifecycle of an Event"""
    events = Events(cluster, CORE)
    labels = {"testevent-constant": "true"}
    await events.create("event-test", core_event("event-test", count=1), labels=labels)
    (found,) = await events.list("testevent-constant=true", everywhere=True)
    assert (found["metadata"]["name"], found["metadata"]["namespace"]) == ("event-test", "default")

    said = "This is a test event - patched"
    await events.patch("event-test", {"message": said}, style="strategic")
    patched = await events.read("event-test")
    assert lasting(patched) == {**lasting(found), "message": said}

    series = {"count": 100, "lastObservedTime": SOME_TIME}
    updated = await events.update("event-test", lambda obj: obj.update(series=series))
    assert updated["series"] == series
    assert lasting(await events.read("event-test")) == {**lasting(patched), "series": series}
    await events.delete("event-test")
    assert await events.list("testevent-constant=true", everywhere=True) == []


@inside
async def test_core_events(cluster: Cluster) -> None:
    """Conformance: Event, delete a collection"""
    await together(cluster, CORE, lambda name: core_event(name, count=1))


@inside
async def test_event(cluster: Cluster) -> None:
    """Conformance: New Event resource lifecycle, testing a single event

    Nobody changes a note in this version (validation/events.go): what the entry's own steps patch is the series.
    """
    events, core = Events(cluster, NEW), Events(cluster, CORE)
    await events.create("event-test", new_event("event-test"), labels={"testevent-constant": "true"})
    for everywhere in (True, False):
        (found,) = await events.list("testevent-constant=true", everywhere=everywhere)
        assert (found["metadata"]["name"], found["metadata"]["namespace"]) == ("event-test", "default")
    assert await core.chosen("source=test-controller") == ["event-test"]
    assert await events.chosen("reportingController=test-controller") == ["event-test"]

    found = lasting(await events.read("event-test"))
    series = {"count": 2, "lastObservedTime": SOME_TIME}
    await events.patch("event-test", {"series": series}, style="strategic")
    assert lasting(await events.read("event-test")) == {**found, "series": series}
    series = {"count": 100, "lastObservedTime": SOME_TIME}
    await events.update("event-test", lambda obj: obj.update(series=series))
    assert lasting(await events.read("event-test")) == {**found, "series": series}

    await events.delete("event-test")
    for everywhere in (True, False):
        assert await events.list("testevent-constant=true", everywhere=everywhere) == []


@inside
async def test_events(cluster: Cluster) -> None:
    """Conformance: New Event resource lifecycle, testing a list of events"""
    await together(cluster, NEW, new_event)
