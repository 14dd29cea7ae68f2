"""Laws of server-side apply that hold in a server, with defaults and storage, for custom and built-in kinds alike.

`tests/unit/machinery/apply/test_updater.py` holds the pure core to the same laws.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration.custom.scene import APPLY, MERGE, Kind
from longboat.machinery.objects import Object
from unit.apiserver.harness import Api, api_server
from unit.machinery.apply.test_updater import FIELDS, SPEC

WORD = st.sampled_from(["a", "b", "c"])
KEYED = FIELDS["items"] | {"items": FIELDS["items"]["items"] | {"required": ["key"]}}
MORE = {"items": KEYED, "filled": {"type": "string", "default": "d"}}
SCHEMA = {"type": "object", "properties": {"spec": {"type": "object", "default": {}, "properties": FIELDS | MORE}}}
ENV = st.dictionaries(WORD, WORD, min_size=1).map(lambda found: [{"name": k, "value": v} for k, v in found.items()])
PORTS = st.sets(st.integers(1, 3), min_size=1).map(lambda found: [{"containerPort": each} for each in sorted(found)])
CONTAINER = st.fixed_dictionaries(
    {"name": st.sampled_from(["main", "side"]), "image": st.just("web")},
    optional={"env": ENV, "ports": PORTS, "tty": st.just(True)},
)
TEMPLATE = st.fixed_dictionaries(
    {"containers": st.lists(CONTAINER, min_size=1, max_size=2, unique_by=lambda each: each["name"])},
    optional={"hostname": WORD, "nodeSelector": st.dictionaries(WORD, WORD, min_size=1)},
)
WORKLOAD = st.fixed_dictionaries(
    {"template": TEMPLATE},
    optional={"replicas": st.integers(0, 3), "paused": st.just(True), "minReadySeconds": st.integers(1, 3)},
)
NUMBERS = count()


class Subject:
    """A kind, and how its objects are written."""

    def __init__(self, api: Api, path: str, whole: Callable[[str, Any], Object]) -> None:
        self._api, self.path, self._whole = api, path, whole

    async def write(self, name: str, operation: str, manager: str, spec: Any) -> Object:
        """`operation`: Apply, which is forced, or Update: by a merge patch, or a creation where there is nothing."""
        body = self._whole(name, spec)
        target, by = f"{self.path}/{name}", f"?fieldManager={manager}"
        if operation == "Apply":
            code, found = await self._api.ask("PATCH", f"{target}{by}&force=true", body, content_type=APPLY)
        elif (await self._api.ask("GET", target))[0] == 404:
            code, found = await self._api.ask("POST", self.path + by, body)
        else:
            code, found = await self._api.ask("PATCH", target + by, body, content_type=MERGE)
        assert code in (200, 201), found
        return found

    async def written(self, name: str, steps: list[Any]) -> Object:
        found: Object = {}
        for operation, manager, spec in steps:
            found = await self.write(name, operation, manager, spec)
        return found


def workload(name: str, spec: Any) -> Object:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": spec["template"]}
    whole = spec | {"selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": whole}


class Server:
    """One server for all examples, on a loop of its own."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._context = api_server()
        self.api = self.run(self._context.__aenter__())
        kind = Kind(self.api)
        assert self.run(kind.define(SCHEMA))[0] == 201
        self.subjects = {
            "custom": Subject(self.api, kind.path(), lambda name, spec: kind.obj(name, spec=spec)),
            "built-in": Subject(self.api, "/apis/apps/v1/namespaces/default/deployments", workload),
        }

    def run(self, scene: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(scene)

    def close(self) -> None:
        self.run(self._context.__aexit__(None, None, None))
        self._runner.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


def law(of: Callable[[Subject, Any], Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A law of a subject and random writes: some that have been, and two configurations."""
    managers = st.sampled_from(["one", "two"])

    def writes(spec: Any) -> Any:
        step = st.tuples(st.sampled_from(["Apply", "Update"]), managers, spec)
        return st.tuples(st.lists(step, max_size=3), spec, spec)

    @pytest.mark.parametrize("name", ["custom", "built-in"])
    @settings(max_examples=12, deadline=None)
    @given(data=st.data())
    def test(server: Server, name: str, data: Any) -> None:
        found = data.draw(writes(SPEC if name == "custom" else WORKLOAD))
        server.run(of(server.subjects[name], found))

    test.__doc__ = of.__doc__
    return test


def owners(obj: Object) -> dict[str, Any]:
    """Who owns what, by operation and name."""
    entries = obj["metadata"].get("managedFields", ())
    return {f"{entry['operation']} {entry['manager']}": entry["fieldsV1"] for entry in entries}


async def twice(subject: Subject, writes: Any) -> None:
    """To apply twice is to apply once: the second time writes nothing."""
    steps, config, _ = writes
    name = f"o{next(NUMBERS)}"
    await subject.written(name, steps)
    once = await subject.write(name, "Apply", "four", config)
    assert await subject.write(name, "Apply", "four", config) == once


async def given_up(subject: Subject, writes: Any) -> None:
    """What is applied and left out again was never applied."""
    steps, kept, more = writes
    one, other = f"o{next(NUMBERS)}", f"o{next(NUMBERS)}"
    live = (await subject.written(one, steps)).get("spec", {})
    await subject.written(other, steps)
    new = {field: value for field, value in more.items() if field not in live and field not in kept}
    await subject.write(one, "Apply", "four", kept | new)
    then = await subject.write(one, "Apply", "four", kept)
    never = await subject.write(other, "Apply", "four", kept)
    assert solid(then.get("spec")) == solid(never.get("spec"))
    assert owners(then) == owners(never)


async def kept(subject: Subject, writes: Any) -> None:
    """Ownership is not lost silently: who no longer owns a field sees another value in it, or none."""
    steps, first, last = writes
    name = f"o{next(NUMBERS)}"
    await subject.written(name, steps)
    before = await subject.write(name, "Apply", "four", first)
    for operation, manager in (("Apply", "five"), ("Update", "six")):
        after = await subject.write(name, operation, manager, last)
        left = owners(after)
        for who, fields in owners(before).items():
            if who == f"{operation} {manager}":
                continue
            for path in set(paths(fields)) - set(paths(left.get(who, {}))):
                assert at(before, path) != at(after, path), (who, path)
        before = after


def solid(value: Any) -> Any:
    """Without maps and lists in which nothing is: who gave up what was in them may leave them."""
    if isinstance(value, dict):
        return {name: inner for name, each in value.items() if (inner := solid(each)) not in ({}, [], None)}
    return [solid(each) for each in value] if isinstance(value, list) else value


def paths(fields: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if not fields or "." in fields:
        yield path
    for step, inner in fields.items():
        if step != ".":
            yield from paths(inner, (*path, step))


def at(value: Any, path: tuple[str, ...]) -> Any:
    """What an object has at a path of managed fields; None for nothing."""
    for step in path:
        sort, _, what = step.partition(":")
        if sort == "f":
            value = value.get(what) if isinstance(value, dict) else None
        elif sort == "v":
            value = json.loads(what) if isinstance(value, list) and json.loads(what) in value else None
        else:
            keys = json.loads(what)
            value = next((each for each in value or () if keys.items() <= each.items()), None)
    return value


test_to_apply_twice_is_to_apply_once = law(twice)
test_what_is_applied_and_given_up_was_never_there = law(given_up)
test_ownership_is_not_lost_silently = law(kept)
