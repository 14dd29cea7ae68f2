"""Pod templates are stored as Go writes them: revisions are byte for byte what upstream makes of them, and none rolls
out anew because an older version spelled it otherwise."""

from __future__ import annotations

import msgspec
import pytest

from integration.workloads import until_quiet
from longboat.api import kinds
from longboat.client.interface import Key
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster
from suites.objects import deployment

pytestmark = pytest.mark.nodes("n1")

# As a program in Go sends it, and one that leaves nothing out.
CONTAINER: Object = {
    "name": "c", "image": "agent:1", "command": ["sh", "-c", "a <b && c >d"], "resources": {}, "tty": False,
    "env": [{"name": "E", "value": ""}, {"name": "L", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}],
    "readinessProbe": {"grpc": {"port": 1, "service": ""}, "initialDelaySeconds": 0}, "terminationMessagePath": "",
}  # fmt: skip
TEMPLATE: Object = {
    "metadata": {"creationTimestamp": None, "labels": {"app": "x"}, "annotations": {}},
    "spec": {
        "nodeName": "", "containers": [CONTAINER], "hostNetwork": False, "volumes": [{"name": "v", "emptyDir": {}}],
        "initContainers": None, "terminationGracePeriodSeconds": 0, "securityContext": {}, "schedulerName": "",
    },
}  # fmt: skip
# What upstream's controllers make of it (`getPatch`, whose keys encoding/json sorts).
REVISION = (
    rb'{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"app":"x"}},"spec":{"containers":[{'
    rb'"command":["sh","-c","a \u003cb \u0026\u0026 c \u003ed"],'
    rb'"env":[{"name":"E"},{"name":"L","valueFrom":{"resourceFieldRef":{"divisor":"0","resource":"limits.cpu"}}}],'
    rb'"image":"agent:1","imagePullPolicy":"IfNotPresent","name":"c",'
    rb'"readinessProbe":{"failureThreshold":3,"grpc":{"port":1,"service":""},"periodSeconds":10,"successThreshold":1,'
    rb'"timeoutSeconds":1},"resources":{},'
    rb'"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],'
    rb'"dnsPolicy":"ClusterFirst","restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{},'
    rb'"terminationGracePeriodSeconds":0,"volumes":[{"emptyDir":{},"name":"v"}]}}}}'
)
WORKLOADS = (kinds.DAEMON_SET, kinds.STATEFUL_SET, kinds.DEPLOYMENT)
MADE = (kinds.REPLICA_SET, kinds.CONTROLLER_REVISION, kinds.POD)


def workload(kind: Kind) -> Object:
    own: Object = {"serviceName": ""} if kind == kinds.STATEFUL_SET else {}
    return {
        "apiVersion": "apps/v1", "kind": kind.name, "metadata": {"name": kind.plural, "creationTimestamp": None},
        "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": TEMPLATE, **own},
        "status": {"observedGeneration": 0},
    }  # fmt: skip


@pytest.mark.parametrize("kind", [kinds.DAEMON_SET, kinds.STATEFUL_SET], ids=lambda kind: kind.name)
async def test_a_revision_is_what_upstream_makes_of_the_template(cluster: Cluster, kind: Kind) -> None:
    await cluster.apply(workload(kind))
    await cluster.settle()
    (entry,) = cluster.api.stores[kinds.CONTROLLER_REVISION].entries("default")
    assert b'"data":' + REVISION + b"," in entry.body
    before = await cluster.get(f"{kind.plural}/{kind.plural}")
    for sent in (workload(kind), before):
        await cluster.client.update(kind, Key("default", kind.plural), {**sent, "metadata": {"name": kind.plural}})
    await cluster.settle()
    (again,) = cluster.api.stores[kinds.CONTROLLER_REVISION].entries("default")
    assert again.revision == entry.revision
    assert (await cluster.get(f"{kind.plural}/{kind.plural}"))["metadata"]["generation"] == 1


async def test_what_an_older_version_stored_rolls_out_nothing(cluster: Cluster) -> None:
    for kind in WORKLOADS:
        await cluster.apply(workload(kind) if kind != kinds.DEPLOYMENT else deployment("deployments", 2))
    await until_quiet(cluster)
    before = await everything(cluster)
    assert [len(before[kind]) for kind in MADE] == [1, 2, 4]
    for kind in (*WORKLOADS, *MADE[:2]):
        await as_an_older_version(cluster, kind)
    await until_quiet(cluster)
    for kind in WORKLOADS:  # written anew, each of them; what they have made is not
        patch = {"metadata": {"annotations": {"touched": "yes"}}}
        await cluster.client.patch(kind, Key("default", kind.plural), patch, subresource="status")
        assert b'"nodeName":""' not in cluster.api.stores[kind].get("default", kind.plural).body
    await until_quiet(cluster)
    assert await everything(cluster) == before
    for entry in cluster.api.stores[kinds.CONTROLLER_REVISION].entries("default"):
        assert b'"nodeName":""' in entry.body, "nobody had to write it anew"
    await cluster.patch("daemonset/daemonsets", {"spec": {"template": {"metadata": {"labels": {"new": "yes"}}}}})
    await until_quiet(cluster)
    assert len((await everything(cluster))[kinds.CONTROLLER_REVISION]) == 3, "but a change does"


async def everything(cluster: Cluster) -> dict[Kind, dict[str, tuple[str, int]]]:
    """uid and generation by name, of the workloads and what their controllers have made."""
    return {
        kind: {
            obj["metadata"]["name"]: (obj["metadata"]["uid"], obj["metadata"].get("generation", 0))
            for obj in await cluster.list(kind.plural)
        }
        for kind in (*WORKLOADS, *MADE)
    }


async def as_an_older_version(cluster: Cluster, kind: Kind) -> None:
    """Store the objects of a kind as it was done before: with what is empty, if it came so, and without nulls."""
    for entry in cluster.api.stores[kind].entries("default"):
        obj = msgspec.json.decode(entry.body)
        spec = (obj["data"]["spec"] if kind == kinds.CONTROLLER_REVISION else obj["spec"])["template"]["spec"]
        spec.update({"nodeName": "", "hostNetwork": False})
        for container in spec["containers"]:
            container["tty"] = False
            del container["resources"]
        await cluster.api.storage.update(entry.key, msgspec.json.encode(obj), expect=entry.revision)
