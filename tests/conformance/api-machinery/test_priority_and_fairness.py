"""The objects of priority and fairness (sig-api-machinery, API priority and fairness)."""

from __future__ import annotations

from conformance.node.crud import MARK, WRITES, Watched, check_discovery, check_status, names, whole_life
from conformance.stage import inside
from conformance.verbs import Verbs
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

GROUP = "flowcontrol.apiserver.k8s.io/v1"


def condition(status: str) -> Object:
    when = "2030-01-02T03:04:05Z"
    told = {"type": "E2E", "status": status, "reason": "Test", "message": "a test", "lastTransitionTime": when}
    return {"conditions": [told]}


@inside
async def test_flow_schemas(cluster: Cluster) -> None:
    """Conformance: Priority and Fairness FlowSchema API"""
    await check_discovery(cluster, GROUP, "flowschemas")
    await check_discovery(cluster, GROUP, "flowschemas/status", WRITES)
    rule = {"verbs": ["*"], "nonResourceURLs": ["*"]}
    subject = {"kind": "User", "user": {"name": "example-e2e-non-existent-user"}}
    body: Object = {
        "spec": {
            "matchingPrecedence": 10000,
            "priorityLevelConfiguration": {"name": "global-default"},
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [{"subjects": [subject], "nonResourceRules": [rule]}],
        }
    }

    schemas = Verbs(cluster, "flowschema")
    there = names(await schemas.list())
    created = await schemas.create("first", body, labels=MARK)
    assert created["metadata"]["uid"] and created["spec"] == body["spec"]
    read = await schemas.read("first")
    assert (read["metadata"]["uid"], read["spec"]) == (created["metadata"]["uid"], created["spec"])
    (listed,) = await schemas.list("conformance=crud")
    assert listed["metadata"]["uid"] == created["metadata"]["uid"]
    watched = Watched(cluster, schemas, "conformance=crud", listed["metadata"]["resourceVersion"])

    patched = await schemas.patch(
        "first", {"metadata": {"annotations": {"patched": "true"}}, "spec": {"matchingPrecedence": 9999}}
    )
    assert patched["metadata"]["annotations"] == {"patched": "true"} and patched["spec"]["matchingPrecedence"] == 9999

    def change(obj: Object) -> None:
        obj["metadata"]["annotations"]["updated"] = "true"
        obj["spec"]["matchingPrecedence"] = 9998

    updated = await schemas.update("first", change)
    assert updated["metadata"]["annotations"] == {"patched": "true", "updated": "true"}
    assert updated["spec"]["matchingPrecedence"] == 9998
    seen = [(await watched.next()) for _ in range(2)]
    assert [(sort, obj["spec"]["matchingPrecedence"]) for sort, obj in seen] == [("MODIFIED", 9999), ("MODIFIED", 9998)]

    def tell(obj: Object) -> None:
        obj["status"]["conditions"] += condition("True")["conditions"]

    told = await schemas.update("first", tell, "status")
    assert {each["type"] for each in told["status"]["conditions"]} == {"Dangling", "E2E"}
    assert told["spec"]["matchingPrecedence"] == 9998
    told = await schemas.patch("first", {"status": condition("False")}, style="strategic", subresource="status")
    assert {each["type"]: each["status"] for each in told["status"]["conditions"]} == {
        "Dangling": "False",
        "E2E": "False",
    }
    assert (await schemas.read("first", "status"))["status"] == told["status"]

    await schemas.delete("first")
    assert await schemas.is_gone("first")
    for name in ("second", "third"):
        await schemas.create(name, body, labels=MARK)
    await schemas.create("bystander", body)
    await schemas.delete_collection("conformance=crud")
    assert names(await schemas.list()) == sorted(["bystander", *there])
    await watched.close()


@inside
async def test_priority_levels(cluster: Cluster) -> None:
    """Conformance: Priority and Fairness PriorityLevelConfiguration API"""
    await check_discovery(cluster, GROUP, "prioritylevelconfigurations")
    await check_discovery(cluster, GROUP, "prioritylevelconfigurations/status", WRITES)
    limited = {"nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}}
    body: Object = {"spec": {"type": "Limited", "limited": limited}}

    def change(obj: Object) -> None:
        obj["spec"]["limited"]["nominalConcurrencyShares"] = 4

    await whole_life(cluster, "prioritylevelconfiguration", body, change)
    levels = Verbs(cluster, "prioritylevelconfiguration")
    await levels.create("e2e", body)
    await check_status(levels, "e2e", condition("True"), condition("False"))
