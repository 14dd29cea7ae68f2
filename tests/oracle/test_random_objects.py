"""What holds for every kind, whatever is sent: nothing breaks, stored is what was answered, a refusal changes nothing.

Objects are random, or one of the rich ones of the recordings with a few places changed: most of these are accepted.
"""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longboat.aio.clock import VirtualClock
from longboat.machinery.types import schema
from longboat.machinery.types.shapes import List, Map, Shape, Struct
from longboat.registry.strategy import Strategy
from longboat.storage.memory import MemoryStorage
from oracle.corpus import bases
from unit.apiserver.harness import Api, api_server
from unit.registry.kinds.test_laws import STORED, objects, values

Body = dict[str, Any]

RANGES = "/registry/ranges/"
OWN = frozenset(("flowschemas",))  # the server itself writes their conditions, as upstream's: versions move on
EXAMPLES = max(4, settings.default.max_examples // 16)  # of each kind; `make fuzz` has more
JUNK = (None, True, 0, -1, 1.5, "", "x", [], {}, [None], [0], {"x": 0}, [{}], "9" * 30, 1 << 70)
PARSE = r'strconv\.ParseUint: parsing ".*": (invalid syntax|value out of range)'
ALLOWED = (
    rf"(resourceVersion: Invalid value: .*: )?{PARSE}",
    "resourceVersion should not be set on objects to be created",
)
"""Upstream's own recorded answers of 500."""
METADATA = st.fixed_dictionaries(
    {},
    optional={
        "resourceVersion": st.sampled_from(("", "0", "1", "x", "99999999999999999999", 7)),
        "uid": st.sampled_from(("", "x")),
        "generateName": st.sampled_from(("g-", "G", "")),
        "finalizers": st.sampled_from((["example.com/f"], ["f"], [])),
        "ownerReferences": st.just([{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "controller": True}]),
        "labels": st.sampled_from(({"a": "b"}, {"-": "!"}, None)),
        "managedFields": st.sampled_from(
            ([], [{}], [{"manager": "m", "operation": "Update", "fieldsV1": {"f:x": {}}}])
        ),
        "namespace": st.sampled_from(("default", "other", "")),
        "deletionTimestamp": st.just("2026-01-01T00:00:00Z"),
        "generation": st.just(7),
    },
)


BASES = bases()


class World:
    """A server in memory that all examples share, and all that it stores."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._clock = loop, VirtualClock()
        self.storage = MemoryStorage(self._clock)
        self._open = api_server(
            self._clock,
            self.storage,
            gathers_roles=False,
            disable_admission_plugins=frozenset(("DenyServiceExternalIPs",)),
        )
        self.api: Api = loop.run_until_complete(self._open.__aenter__())
        self.ask("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})

    def close(self) -> None:
        self._loop.run_until_complete(self._open.__aexit__(None, None, None))
        self._loop.run_until_complete(self.storage.close())

    def ask(self, method: str, target: str, body: Any = None, media_type: str = "application/json") -> tuple[int, Any]:
        return self._loop.run_until_complete(self.api.ask(method, target, body, content_type=media_type))

    def stored(self) -> dict[str, tuple[bytes, int]]:
        """Every key's value and revision, once nobody writes any more. What is reserved may be given back."""
        while True:
            before = self._all()
            self._loop.run_until_complete(asyncio.sleep(0))
            if self._all() == before:
                return before

    def _all(self) -> dict[str, tuple[bytes, int]]:
        page = self._loop.run_until_complete(self.storage.list("/"))
        return {item.key: (item.value, 0 if item.key.startswith(RANGES) else item.revision) for item in page.items}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    loop = asyncio.new_event_loop()
    world = World(loop)
    try:
        yield world
    finally:
        world.close()
        loop.close()


@st.composite
def sent(draw: st.DrawFn, strategy: Strategy) -> Body:
    """An object of this kind as somebody may send it."""
    kind = strategy.kind
    shape = schema.load().type(kind)
    assert shape is not None
    if (known := BASES.get((kind.api_version, kind.name))) and draw(st.integers(0, 3)):
        body = copy.deepcopy(draw(st.sampled_from(known)))
        for _ in range(draw(st.integers(0, 2))):
            change(draw, shape, body)
    else:
        body = copy.deepcopy(draw(objects(strategy)))
        body["metadata"] = {"name": "x"}
    if draw(st.integers(0, 2)) == 0:
        body["metadata"] = {**(body.get("metadata") or {}), **copy.deepcopy(draw(METADATA))}
    if draw(st.integers(0, 4)) == 0:
        place(draw, body)[draw(st.sampled_from(("spec", "metadata", "x", "status")))] = copy.deepcopy(
            draw(st.sampled_from(JUNK))
        )
    return body


def change(draw: st.DrawFn, shape: Shape, value: Any) -> None:
    """Change one place of a value, by its shape: set a field, or remove one."""
    while True:
        inner = inside(shape, value)
        if not inner:
            return
        key, shape = draw(st.sampled_from(inner))
        there = value[key] if isinstance(value, list) else value.get(key)
        if isinstance(there, (dict, list)) and there and draw(st.integers(0, 3)):
            value = there
        elif isinstance(value, dict) and there is not None and draw(st.booleans()):
            del value[key]
            return
        else:
            value[key] = copy.deepcopy(draw(values(shape, 3)))
            return


def inside(shape: Shape, value: Any) -> list[tuple[Any, Shape]]:
    """What there is beneath a value, or could be, with its shape."""
    if isinstance(shape, Struct) and isinstance(value, dict):
        fixed = ("kind", "apiVersion", "metadata", "managedFields")
        return [(name, field) for name, field in sorted(shape.fields.items()) if name not in fixed]
    if isinstance(shape, List) and isinstance(value, list):
        return [(position, shape.item) for position in range(len(value))]
    if isinstance(shape, Map) and isinstance(value, dict):
        return [(key, shape.value) for key in (*sorted(value), "a")]
    return []


def place(draw: st.DrawFn, value: Body) -> Body:
    """The object, or one inside it."""
    while inner := [each for each in value.values() if isinstance(each, dict)]:
        if draw(st.booleans()):
            return value
        value = draw(st.sampled_from(inner))
    return value


def sound(code: int, answer: Any) -> None:
    """It is no fault of the server's."""
    text = answer.get("message", "") if isinstance(answer, dict) else str(answer)
    assert code < 500 or any(re.fullmatch(allowed, text, re.DOTALL) for allowed in ALLOWED), answer


@pytest.mark.parametrize("strategy", STORED, ids=lambda s: f"{s.kind.version}.{s.kind.resource}")
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_any_object(strategy: Strategy, world: World, data: st.DataObject) -> None:
    kind = strategy.kind
    collection = f"{kind.path}/{'namespaces/default/' if kind.namespaced else ''}{kind.plural}"
    body, other = data.draw(sent(strategy)), data.draw(sent(strategy))
    before = world.stored()
    code, answer = world.ask("POST", f"{collection}?dryRun=All", body)
    sound(code, answer)
    assert world.stored() == before, "a dry run changed something"
    code, answer = world.ask("POST", collection, body)
    sound(code, answer)
    if code != 201:
        assert world.stored() == before, "a refused create changed something"
        return
    item = f"{collection}/{answer['metadata']['name']}"
    try:
        read_back(world, item, answer, own=kind.plural in OWN)
        changed(world, item, other, strategy)
    finally:
        remove(world, item)


def read_back(world: World, item: str, made: Body, *, own: bool) -> None:
    """What is stored is what was answered, and sending it again writes nothing."""
    before = world.stored()
    code, found = world.ask("GET", item)
    assert code == 200 and (found["spec"] == made["spec"] if own else found == made)
    made = found
    code, again = world.ask("PUT", item, made)
    assert (code, again) == (200, made) or code == 422, again  # upstream looks for some faults at updates alone
    assert world.stored() == before, "what was no change was written"


def changed(world: World, item: str, body: Body, strategy: Strategy) -> None:
    """A write that is refused changes nothing; of one that is not, what is stored is what was answered."""
    if isinstance(meta := body.get("metadata"), dict):
        meta["name"] = item.rpartition("/")[2]
    merge = {name: part for name, part in body.items() if name not in ("kind", "apiVersion")}
    for method, sending, media_type in (
        ("PUT", body, "application/json"),
        ("PATCH", merge, "application/merge-patch+json"),
        ("PUT", body, "application/json; charset=utf-8"),
    ):
        target = f"{item}/status" if "charset" in media_type and strategy.has_status else item
        before = world.stored()
        code, answer = world.ask(method, target, sending, media_type.partition(";")[0])
        sound(code, answer)
        if code >= 400:
            assert world.stored() == before, f"a refused {method} changed something"
        elif strategy.kind.plural not in OWN and world.ask("GET", item)[0] == 200:  # without finalizers it may be gone
            assert world.ask("GET", item) == (200, answer)


def remove(world: World, item: str) -> None:
    """Whatever holds it."""
    world.ask("DELETE", f"{item}?gracePeriodSeconds=0")
    code, left = world.ask("GET", item)
    if code == 200:
        world.ask("PATCH", item, {"metadata": {"finalizers": None}}, "application/merge-patch+json")
        if left["kind"] == "Namespace":
            world.ask("PUT", f"{item}/finalize", {**left, "spec": {"finalizers": []}})


def test_the_objects_of_the_recordings_are_accepted(world: World) -> None:
    """Else little would be tested."""
    refused = []
    for strategy in STORED:
        kind = strategy.kind
        for body in BASES.get((kind.api_version, kind.name), ()):
            where = f"{kind.path}/{'namespaces/default/' if kind.namespaced else ''}{kind.plural}?dryRun=All"
            code, answer = world.ask("POST", where, body)
            refused += [] if code == 201 else [answer["message"]]
    assert len(refused) <= 3, refused
