"""Lists in pieces (sig-api-machinery, Servers with support for API chunking)."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from conformance.stage import inside
from conformance.verbs import Verbs
from longboat.apiserver.inprocess import InProcessTransport
from longboat.apiserver.request import Request, Response
from longboat.client.rest import path_of
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.machinery.user import User
from longboat.storage.sqlite.service import KEEP_SECONDS
from longboat.testing.cluster import Cluster

TOTAL = 400
ADMIN = User("admin", ("system:masters", "system:authenticated"))
TEMPLATE = {"template": {"spec": {"containers": [{"name": "test", "image": "test2"}]}}}


async def filled(cluster: Cluster) -> Verbs:
    templates = Verbs(cluster, "podtemplate")
    for number in range(TOTAL):
        body = {"metadata": {"name": f"template-{number:04}"}, **TEMPLATE}
        await cluster.client.create(templates.kind, body, namespace=templates.namespace)
    await cluster.settle()
    return templates


async def page(templates: Verbs, limit: int, token: str = "") -> Object:
    """The answer as it came, a refusal too."""
    answers = []

    async def noting(request: Request) -> Response:
        response = await templates.cluster.api.handle(request)
        answers.append(response.whole())
        return response

    query = {"limit": str(limit)} | ({"continue": token} if token else {})
    with suppress(StatusError):
        await InProcessTransport(noting, ADMIN).request("GET", path_of(templates.kind, "default"), query=query)
    (answer,) = answers
    return dict(msgspec.json.decode(answer))


def check(found: Object, before: int, limit: int) -> int:
    """That the piece is what comes after so many, and says what remains; how many have come with it."""
    names, meta = [item["metadata"]["name"] for item in found["items"]], found["metadata"]
    assert names == [f"template-{number:04}" for number in range(before, before + len(names))]
    assert len(names) <= limit
    if meta.get("continue"):
        assert meta["remainingItemCount"] + len(names) + before == TOTAL
    else:
        assert "remainingItemCount" not in meta
    return before + len(names)


async def rest(templates: Verbs, first: Object, before: int, limit: int) -> int:
    """All pieces after this one, of one and the same revision; how many there are in all."""
    found = first
    while token := found["metadata"].get("continue"):
        found = await page(templates, limit, token)
        assert found["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        before = check(found, before, limit)
    return before


@inside
async def test_chunks(cluster: Cluster) -> None:
    """Conformance: API Chunking, server should return chunks of results for list calls"""
    templates = await filled(cluster)
    for _ in range(3):
        first = await page(templates, 17)
        assert await rest(templates, first, check(first, 0, 17), 17) == TOTAL
    for limit in (TOTAL + 1, 0):
        whole = await page(templates, limit)
        assert len(whole["items"]) == TOTAL and "continue" not in whole["metadata"]


@inside
async def test_compacted(cluster: Cluster) -> None:
    """Conformance: API Chunking, server should support continue listing from the last key even if the original version has been compacted away"""  # noqa: E501
    # The test compacts, as the store's process does with what is older than five minutes.
    templates, limit = await filled(cluster), TOTAL // 10
    first = await page(templates, limit)
    assert check(first, 0, limit) == limit
    token = first["metadata"]["continue"]
    assert (await page(templates, limit, token))["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]

    await cluster.apply({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "later"}})
    storage = cluster.api.storage
    await storage.compact(await storage.current_revision())
    await cluster.clock.advance(2 * KEEP_SECONDS)
    expired = await page(templates, limit, token)
    assert (expired["kind"], expired["code"], expired["reason"]) == ("Status", 410, "Expired")
    inconsistent = expired["metadata"]["continue"]
    assert inconsistent

    second = await page(templates, limit, inconsistent)
    assert second["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]
    assert len(second["items"]) == limit
    assert await rest(templates, second, check(second, limit, limit), limit) == TOTAL
