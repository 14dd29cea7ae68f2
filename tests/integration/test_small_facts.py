"""What upstream counts, notes and warns of beside the main road, in a whole control plane."""

from __future__ import annotations

from typing import Any

import pytest

from integration.test_statefulsets import NO_CLAIMS, stateful_set
from integration.volumes.objects import claim, volume
from integration.workloads import until_quiet
from longboat.testing.cluster import Cluster
from suites.objects import deployment
from unit.apiserver.harness import Api

pytestmark = pytest.mark.nodes("n1")

CAUSE = {"kubernetes.io/change-cause": "the first"}


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
async def test_revisions_tell_the_cause_of_their_change(cluster: Cluster, kind: str) -> None:
    made = stateful_set(replicas=1, **NO_CLAIMS)
    made["metadata"]["annotations"] = CAUSE
    if kind == "DaemonSet":
        made = {**made, "kind": kind, "spec": {name: made["spec"][name] for name in ("selector", "template")}}
    await cluster.apply(made)
    await cluster.settle()
    (revision,) = await cluster.list("controllerrevisions")
    assert revision["metadata"]["annotations"].items() >= CAUSE.items()


async def test_the_generation_counts_what_others_act_on(cluster: Cluster) -> None:
    async def generation(what: str) -> Any:
        await until_quiet(cluster)
        return (await cluster.get(what))["metadata"]["generation"]

    await cluster.apply(deployment(replicas=1))
    ports = {"ports": [{"port": 80}], "selector": {"app": "web"}}
    await cluster.apply({"kind": "Service", "metadata": {"name": "web"}, "spec": ports})
    before = await generation("deployment/web")
    await cluster.patch("deployment/web", {"metadata": {"labels": {"a": "b"}}})
    assert await generation("deployment/web") == before
    await cluster.patch("deployment/web", {"metadata": {"annotations": CAUSE}})
    assert await generation("deployment/web") == before + 1
    (pods,) = await cluster.list("replicasets")
    assert pods["metadata"]["annotations"].items() >= CAUSE.items()
    found = await cluster.get("deployment/web")
    assert found["status"]["observedGeneration"] == before + 1
    (piece,) = await cluster.list("endpointslices", labels="kubernetes.io/service-name=web")
    name = f"endpointslice/{piece['metadata']['name']}"
    before = await generation(name)
    await cluster.patch(name, {"metadata": {"annotations": {"a": "b"}}})
    assert await generation(name) == before
    await cluster.patch("service/web", {"metadata": {"labels": {"a": "b"}}})  # the slice gets it
    assert await generation(name) == before + 1


async def test_a_volume_tells_when_its_phase_changed(cluster: Cluster) -> None:
    async def changed() -> tuple[str, str]:
        status = (await cluster.get("pv/v"))["status"]
        return status["phase"], status["lastPhaseTransitionTime"][11:]

    await cluster.apply(volume())
    await cluster.settle()
    assert await changed() == ("Available", "00:00:00Z")
    await cluster.clock.advance(60)
    assert await changed() == ("Available", "00:00:00Z")
    await cluster.apply(claim())
    await cluster.settle()
    assert await changed() == ("Bound", "00:01:00Z")


@pytest.mark.parametrize("dependent", ["ConfigMap", "PersistentVolume"])
async def test_an_owner_in_another_namespace_is_told_of(cluster: Cluster, dependent: str) -> None:
    await cluster.apply({"kind": "ConfigMap", "metadata": {"name": "owner"}})
    uid = (await cluster.get("configmap/owner"))["metadata"]["uid"]
    ref = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    if dependent == "ConfigMap":
        made: Any = {"kind": "ConfigMap", "metadata": {"name": "d", "namespace": "kube-public"}}
    else:
        made = volume("d")
    made["metadata"]["ownerReferences"] = [ref]
    await cluster.settle()
    await cluster.apply(made)
    await cluster.clock.advance(60)
    where = "kube-public" if dependent == "ConfigMap" else ""
    (event,) = [
        e for e in await cluster.list("events", where or "default") if e["reason"] == "OwnerRefInvalidNamespace"
    ]
    assert event["involvedObject"]["kind"] == dependent
    named = f"[v1/ConfigMap, namespace: {where}, name: owner, uid: {uid}]"
    assert event["message"] == f'ownerRef {named} does not exist in namespace "{where}"'


@pytest.mark.parametrize("target", ["/j", ""])
@pytest.mark.parametrize(
    ("options", "warned"),
    [(None, True), ({}, True), ({"propagationPolicy": "Background"}, False), ({"orphanDependents": True}, False)],
)
async def test_deleting_jobs_without_a_policy_warns(cluster: Cluster, options: Any, warned: bool, target: str) -> None:
    jobs = "/apis/batch/v1/namespaces/default/jobs"
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    api = Api(cluster.api)
    await api.make(jobs, {"metadata": {"name": "j"}, "spec": {"template": template}})
    response = await api.response("DELETE", f"{jobs}{target}", options)
    assert response.status == 200
    said = ", ".join(response.warnings)
    assert said.startswith('299 - "child pods are preserved by default when jobs are deleted;') == warned, said
