"""ResourceQuotas while many write at once, while counts are wrong, and while their limits change."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from longboat.api import kinds
from longboat.client.interface import Key
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster
from suites.objects import deployment


def quota(name: str = "q", **hard: str) -> Object:
    limits = {key.replace("_", "."): value for key, value in hard.items()}
    return {"kind": "ResourceQuota", "apiVersion": "v1", "metadata": {"name": name}, "spec": {"hard": limits}}


def secret(name: str) -> Object:
    return {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": name}}


async def used(cluster: Cluster, name: str = "q") -> dict[str, str]:
    found: dict[str, str] = (await cluster.get(f"quota/{name}"))["status"]["used"]
    return found


async def make(cluster: Cluster, name: str, **options: Any) -> Any:
    return await cluster.client.create(kinds.SECRET, secret(name), namespace="default", **options)


async def test_of_many_at_once_exactly_as_many_get_in_as_there_is_room_for(cluster: Cluster) -> None:
    await cluster.apply(quota(secrets="20"), quota("other", secrets="30"))
    await cluster.settle()
    results = await asyncio.gather(*(make(cluster, f"s{i}") for i in range(50)), return_exceptions=True)
    refused = [each for each in results if isinstance(each, StatusError)]
    assert len(refused) == 30 and {each.code for each in refused} == {403}
    assert len(await cluster.list("secrets")) == 20
    assert await used(cluster) == await used(cluster, "other") == {"secrets": "20"}


async def test_a_deployment_grows_as_far_as_it_may_and_on_when_it_may(cluster: Cluster) -> None:
    await cluster.apply(quota(pods="2"))
    await cluster.settle()
    await cluster.apply(deployment(replicas=4))
    await cluster.clock.advance(10)
    assert len(await cluster.list("pods")) == 2
    failure = next(
        c for c in (await cluster.get("deployment/web"))["status"]["conditions"] if c["type"] == "ReplicaFailure"
    )
    assert failure["reason"] == "FailedCreate" and "exceeded quota: q" in failure["message"]
    await cluster.patch("quota/q", {"spec": {"hard": {"pods": "9"}}})
    await cluster.clock.advance(60)
    assert len(await cluster.list("pods")) == 4
    assert await used(cluster) == {"pods": "4"}


async def test_room_that_was_noted_for_what_was_never_made_is_found_again(cluster: Cluster) -> None:
    await cluster.apply(quota(secrets="3"))
    await cluster.settle()
    await make(cluster, "one")
    with pytest.raises(StatusError, match="already exists"):
        await make(cluster, "one")
    await cluster.clock.advance(330)
    assert await used(cluster) == {"secrets": "1"}


async def test_resources_that_are_no_longer_limited_are_no_longer_counted(cluster: Cluster) -> None:
    await cluster.apply(quota(secrets="3", configmaps="3"))
    await cluster.settle()
    assert (await used(cluster)).keys() == {"secrets", "configmaps"}
    change = {"spec": {"hard": {"configmaps": None, "count/secrets": "5"}}}
    await cluster.client.patch(kinds.RESOURCE_QUOTA, Key("default", "q"), change)
    await cluster.settle()
    await make(cluster, "one")
    assert (await cluster.get("quota/q"))["status"] == {
        "hard": {"secrets": "3", "count/secrets": "5"}, "used": {"secrets": "1", "count/secrets": "1"},
    }  # fmt: skip


async def test_pods_that_end_make_room(cluster: Cluster) -> None:
    await cluster.apply(quota(pods="1"))
    await cluster.settle()
    template = {"kind": "Pod", "apiVersion": "v1", "spec": {"containers": [{"name": "c", "image": "a"}]}}
    await cluster.apply({**template, "metadata": {"name": "first"}})
    with pytest.raises(StatusError, match="exceeded quota"):
        await cluster.apply({**template, "metadata": {"name": "second"}})
    await cluster.patch("pod/first", {"status": {"phase": "Succeeded"}}, subresource="status")
    await cluster.settle()
    await cluster.apply({**template, "metadata": {"name": "second"}})
    assert await used(cluster) == {"pods": "1"}


async def test_other_namespaces_have_nothing_to_do_with_it(cluster: Cluster) -> None:
    await cluster.apply(quota(secrets="0"))
    await cluster.apply({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "free"}})
    await cluster.settle()
    await cluster.client.create(kinds.SECRET, secret("one"), namespace="free")
    with pytest.raises(StatusError, match="exceeded quota"):
        await make(cluster, "one")
