"""Where kinds are kept: no two in one place by mistake, and what lay elsewhere is found again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from longboat.aio.clock import SystemClock
from longboat.api import kinds
from longboat.machinery.kinds import Kind
from longboat.registry import catalog
from longboat.registry.moving import move
from longboat.registry.places import check_place, place, places
from longboat.storage.encryption.resources import Resource
from longboat.storage.interface import Storage
from longboat.storage.memory import MemoryStorage
from unit.apiserver.harness import Api, api_server, play

OLD, NEW = "/registry/customresourcedefinitions/", "/registry/apiextensions.k8s.io/customresourcedefinitions/"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def definition(group: str) -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"type": "object"}}
    return {
        "metadata": {"name": f"boats.{group}"},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"plural": "boats", "kind": "Boat"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }  # fmt: skip


async def keys(storage: Storage, prefix: str) -> list[str]:
    return [item.key.removeprefix(prefix) for item in (await storage.list(prefix)).items]


def sealed_by(tmp_path: Path, resource: str) -> Path:
    file = tmp_path / "encryption.json"
    key = {"name": "k", "secret": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}
    rule = {"resources": [resource], "providers": [{"aesgcm": {"keys": [key]}}]}
    head = {"kind": "EncryptionConfiguration", "apiVersion": "apiserver.config.k8s.io/v1"}
    file.write_text(json.dumps({**head, "resources": [rule]}))
    return file


@pytest.mark.parametrize(
    "sealed", ["", "customresourcedefinitions.apiextensions.k8s.io", "*.apiextensions.k8s.io", "*.*"]
)
def test_definitions_of_older_versions_are_found(sealed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where upstream keeps them, as they were, sealed or not; and a move that broke off is gone on with."""

    async def main() -> None:
        config = {"encryption": sealed_by(tmp_path, sealed)} if sealed else {}
        storage = MemoryStorage(SystemClock())
        strategy = next(s for s in catalog.strategies() if s.kind == kinds.CUSTOM_RESOURCE_DEFINITION)
        with monkeypatch.context() as before:  # as versions before this one had it
            before.setattr(type(strategy), "storage_prefix", "")
            before.setattr(type(strategy), "former_prefix", "")
            async with api_server(storage=storage, **config) as api:
                made = [await api.make(CRDS, definition(f"{name}.example.com")) for name in "ab"]
            assert await keys(storage, OLD) == ["boats.a.example.com", "boats.b.example.com"]
        if not sealed:  # the first one had been written anew when the other version ended
            first = (await storage.list(OLD)).items[0]
            await storage.create(NEW + "boats.a.example.com", first.value)

        async with api_server(storage=storage, **config) as api:
            assert (await keys(storage, OLD), await keys(storage, NEW)) == (
                [],
                ["boats.a.example.com", "boats.b.example.com"],
            )
            for each in made:
                code, found = await api.ask("GET", f"{CRDS}/{each['metadata']['name']}")
                assert code == 200
                for one in (each, found):
                    for moved in ("resourceVersion", "managedFields"):
                        one["metadata"].pop(moved)
                    del one["status"]  # that of definitions that are served by now, and who has written it
                assert found == each
            value = (await storage.list(NEW)).items[0].value
            assert value.startswith(b"k8s:enc:" if sealed else b"{")

    asyncio.run(main())


def test_what_is_there_already_stays() -> None:
    async def main() -> None:
        storage = MemoryStorage(SystemClock())
        await storage.create("/registry/old/a", b"1")
        await storage.create("/registry/old/b", b"2")
        await storage.create("/registry/new/a", b"newer")
        await move(storage, "/registry/old/", "/registry/new/")
        assert [item.value for item in (await storage.list("/registry/new/")).items] == [b"newer", b"2"]
        assert await keys(storage, "/registry/old/") == []

    asyncio.run(main())


def test_a_kind_is_sealed_where_it_was_too() -> None:
    kept = places(catalog.strategies())
    assert kept[Resource("apiextensions.k8s.io", "customresourcedefinitions")] == (NEW, OLD)
    assert kept[Resource("", "events")] == kept[Resource("events.k8s.io", "events")] == ("/registry/events/",)


@pytest.mark.parametrize(
    ("prefix", "why"),
    [
        ("", "/registry/pods/ of Cage meets /registry/pods/ of Pod"),
        ("services", "meets /registry/services/"),
        ("pods/cages", "meets /registry/pods/ of Pod"),
        ("ranges", "meets /registry/ranges/"),
    ],
)
def test_no_kind_is_kept_in_anothers_place(prefix: str, why: str) -> None:
    """Its lists would show what is not its own, and its deletions take it."""

    async def scene(api: Api) -> None:
        cage = Kind("zoo.example.com", "v1", "Cage", "pods")
        with pytest.raises(ValueError, match=why):
            await api.server.install(catalog.plain(cage, storage_prefix=prefix))
        assert api.server.resources.of(cage) is None
        await api.server.install(catalog.plain(cage, storage_prefix="zoo.example.com/pods"))

    play(scene)


def test_the_catalogue_has_no_two_kinds_in_one_place() -> None:
    strategies = [s for s in catalog.strategies() if s.stored]
    for strategy in strategies:
        check_place(strategy, strategies)
    assert len({place(s) for s in strategies}) == len(strategies) - 2, "versions of events and of autoscalers"
