"""Secret's API (sig-node)."""

from __future__ import annotations

from base64 import b64encode

import pytest

from conformance.node.crud import names
from conformance.stage import inside
from conformance.verbs import Verbs, labels_of
from longboat.machinery.errors import StatusError
from longboat.testing.cluster import Cluster


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


@inside
async def test_an_empty_key_is_refused(cluster: Cluster) -> None:
    """Conformance: Secrets, with empty-key"""
    secrets = Verbs(cluster, "secret")
    with pytest.raises(StatusError) as refused:
        await secrets.create("empty-key", {"data": {"": encoded("value-1")}})
    assert (refused.value.code, refused.value.reason) == (422, "Invalid")
    assert await secrets.is_gone("empty-key")


@inside
async def test_patching(cluster: Cluster) -> None:
    """Conformance: Secret patching"""
    secrets = Verbs(cluster, "secret")
    await secrets.create("bystander", {"data": {"key": encoded("value")}})
    assert await secrets.list("testsecret-constant=true", everywhere=True) == []
    await secrets.create("secret", {"data": {"key": encoded("value")}}, labels={"testsecret-constant": "true"})
    assert names(await secrets.list("testsecret-constant=true", everywhere=True)) == ["secret"]
    change = {"metadata": {"labels": {"testsecret": "true"}}, "data": {"key": encoded("value1")}}
    await secrets.patch("secret", change, style="strategic")
    read = await secrets.read("secret")
    assert read["data"] == {"key": encoded("value1")}
    assert labels_of(read) == {"testsecret-constant": "true", "testsecret": "true"}
    await secrets.delete_collection("testsecret-constant=true")
    assert await secrets.list("testsecret-constant=true", everywhere=True) == []
    assert await secrets.is_gone("secret")
    assert "bystander" in names(await secrets.list())
