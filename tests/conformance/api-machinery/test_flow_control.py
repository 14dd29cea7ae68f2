"""The API of priority and fairness (sig-api-machinery)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conformance.node.crud import VERBS, check_discovery
from conformance.stage import inside
from conformance.verbs import Verbs, labels_of
from conformance.watching import watched
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

GROUP_VERSION = "flowcontrol.apiserver.k8s.io/v1"
MARK, SELECTOR = {"example-e2e-label": "abcdefgh"}, "example-e2e-label=abcdefgh"
NOBODY = {"kind": "User", "user": {"name": "example-e2e-non-existent-user"}}
SCHEMA = {
    "spec": {
        "matchingPrecedence": 10000,
        "priorityLevelConfiguration": {"name": "global-default"},
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [{"subjects": [NOBODY], "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]}],
    }
}
LEVEL = {
    "spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}}},
}


async def every_verb(
    cluster: Cluster,
    kind: str,
    body: Object,
    patch: Object,
    change: Callable[[Any], object],
    part: Callable[[Any], Any],
) -> None:
    """`part`: what `patch` and then `change` set of the spec. Names are made up by the server."""
    verbs = Verbs(cluster, kind)
    plural = verbs.kind.plural
    await check_discovery(cluster, GROUP_VERSION, plural)
    await check_discovery(cluster, GROUP_VERSION, f"{plural}/status", VERBS & {"get", "patch", "update"})

    made = [await verbs.create("", body, generateName="e2e-example-", labels=MARK) for _ in range(3)]
    created = made[-1]
    name = created["metadata"]["name"]
    assert len({each["metadata"]["name"] for each in made}) == 3 and name.startswith("e2e-example-")
    read = await verbs.read(name)
    assert read["metadata"]["uid"] == created["metadata"]["uid"] and int(read["metadata"]["resourceVersion"]) > 0
    assert len(await verbs.list(SELECTOR)) == 3
    page = await cluster.client.list_page(verbs.kind, labels=SELECTOR, limit=0)

    async with watched(verbs, labels=SELECTOR, since=page.resource_version) as events:
        patched = await verbs.patch(name, {"metadata": {"annotations": {"patched": "true"}}, **patch})
        assert patched["metadata"]["annotations"] == {"patched": "true"}
        assert part(patched["spec"]) == part(patch["spec"]) != part(created["spec"])
        assert int(patched["metadata"]["resourceVersion"]) > int(created["metadata"]["resourceVersion"])

        def update(obj: Object) -> None:
            obj["metadata"]["annotations"]["updated"] = "true"
            change(obj["spec"])

        updated = await verbs.update(name, update)
        assert updated["metadata"]["annotations"] == {"patched": "true", "updated": "true"}
        assert part(updated["spec"]) not in (part(patched["spec"]), part(created["spec"]))
        # What its controller notes of it may come between.
        assert {kind for kind, _ in events} == {"MODIFIED"}
        assert events[0][1]["metadata"]["annotations"] == {"patched": "true"} and ("MODIFIED", updated) in events

    status = await verbs.read(name, "status")
    assert (status["apiVersion"], status["kind"]) == (GROUP_VERSION, verbs.kind.name)
    assert status["metadata"]["uid"] == created["metadata"]["uid"]
    failed = {"type": "PatchStatusFailed", "status": "False", "reason": "e2e"}
    patched = await verbs.patch(name, {"status": {"conditions": [failed]}}, subresource="status")
    assert "PatchStatusFailed" in conditions(patched)
    failed = {"type": "StatusUpdateFailed", "status": "False", "reason": "E2E", "message": "Set from an e2e test"}
    updated = await verbs.update(name, lambda obj: obj["status"]["conditions"].append(failed), "status")
    assert {"PatchStatusFailed", "StatusUpdateFailed"} <= conditions(updated) == conditions(await verbs.read(name))

    await verbs.delete(name)
    with pytest.raises(StatusError) as gone:
        await verbs.read(name)
    assert gone.value.code == 404
    assert len(await verbs.list(SELECTOR)) == 2 and labels_of((await verbs.list(SELECTOR))[0]) == MARK
    await verbs.delete_collection(SELECTOR)
    assert await verbs.list(SELECTOR) == [] != await verbs.list(), "the server's own stay"


def conditions(obj: Object) -> set[str]:
    return {each["type"] for each in obj["status"]["conditions"]}


@inside
async def test_flow_schemas(cluster: Cluster) -> None:
    """Conformance: Priority and Fairness FlowSchema API"""
    await every_verb(
        cluster, "flowschema", SCHEMA, {"spec": {"matchingPrecedence": 9999}},
        lambda spec: spec.update(matchingPrecedence=9000), lambda spec: spec["matchingPrecedence"],
    )  # fmt: skip


@inside
async def test_levels(cluster: Cluster) -> None:
    """Conformance: Priority and Fairness PriorityLevelConfiguration API"""
    await every_verb(
        cluster, "prioritylevelconfiguration", LEVEL, {"spec": {"limited": {"nominalConcurrencyShares": 4}}},
        lambda spec: spec["limited"].update(nominalConcurrencyShares=6),
        lambda spec: spec["limited"]["nominalConcurrencyShares"],
    )  # fmt: skip
