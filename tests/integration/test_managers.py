"""Who owns what in a cluster that has just begun and rolled out a Deployment behind a Service: what is stored has
entries, of the managers that upstream's programs are there, and what is written through a status one of its own."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from integration.test_statefulsets import stateful_set
from longboat.aio.clock import SystemClock
from longboat.apiserver.pki import Pki
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster
from longboat.testing.nodes import Nodes
from suites.objects import deployment, pod, service
from unit.apiserver.harness import Api

SERVER, CONTROLLERS, KUBELET = "kube-apiserver Update", "kube-controller-manager Update", "kubelet Update"
CREATOR = "admin Update"
APF = "api-priority-and-fairness-config-"
GATHERED = "clusterrole-aggregation-controller Apply"

OWNERS = {
    "apiservices.apiregistration.k8s.io": {SERVER, f"{SERVER} status"},
    "clusterroles.rbac.authorization.k8s.io": {SERVER, GATHERED},
    "clusterrolebindings.rbac.authorization.k8s.io": {SERVER},
    "configmaps": {CONTROLLERS},  # a root certificate in each namespace
    "csidrivers.storage.k8s.io": {SERVER},
    "csinodes.storage.k8s.io": {KUBELET},
    "controllerrevisions.apps": {CONTROLLERS},
    "deployments.apps": {CREATOR, f"{CONTROLLERS} status", f"{CONTROLLERS} scale"},  # the autoscaler's
    "endpoints": {CONTROLLERS},
    "endpointslices.discovery.k8s.io": {CONTROLLERS},
    "events": {CONTROLLERS, KUBELET, "kube-scheduler Update"},
    "events.events.k8s.io": {CONTROLLERS, KUBELET, "kube-scheduler Update"},
    "flowschemas.flowcontrol.apiserver.k8s.io": {f"{APF}producer-v1 Update", f"{APF}consumer-v1 Apply status"},
    "horizontalpodautoscalers.autoscaling": {CREATOR, f"{CONTROLLERS} status"},
    "ingressclasses.networking.k8s.io": {SERVER},
    "ipaddresses.networking.k8s.io": {SERVER},
    "leases.coordination.k8s.io": {KUBELET},
    "namespaces": {SERVER},
    "nodes": {CONTROLLERS, KUBELET, f"{KUBELET} status"},
    "persistentvolumeclaims": {CONTROLLERS, f"{CONTROLLERS} status", "kube-scheduler Update"},  # where it is to be
    "persistentvolumes": {CONTROLLERS, f"{CONTROLLERS} status"},
    "poddisruptionbudgets.policy": {CREATOR, f"{CONTROLLERS} status"},
    "pods": {
        CREATOR,
        CONTROLLERS,
        f"{KUBELET} status",
        "kube-scheduler Update status",
    },  # nobody's: what a binding says
    "priorityclasses.scheduling.k8s.io": {SERVER},
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io": {f"{APF}producer-v1 Update"},
    "replicasets.apps": {CONTROLLERS, f"{CONTROLLERS} status"},
    "resourcequotas": {CREATOR, f"{CONTROLLERS} status"},  # who has counted again after the server had
    "rolebindings.rbac.authorization.k8s.io": {SERVER},
    "roles.rbac.authorization.k8s.io": {SERVER},
    "serviceaccounts": set(),  # there is nothing in them that could be anybody's
    "servicecidrs.networking.k8s.io": {
        SERVER,
        CONTROLLERS,  # that it is held
        "kubernetes-service-cidr-controller Apply status",
        "service-cidr-controller Apply status",
    },
    "services": {SERVER, CREATOR},
    "statefulsets.apps": {CREATOR, f"{CONTROLLERS} status"},
    "storageclasses.storage.k8s.io": {SERVER},
}
PARTS = {"manager", "operation", "apiVersion", "fieldsType", "fieldsV1"}
HPA = {
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "h"},
    "spec": {
        "minReplicas": 3,
        "maxReplicas": 3,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
    },
}


def owners(obj: Object) -> dict[str, Any]:
    found = {}
    for entry in obj["metadata"].get("managedFields", ()):
        who = f"{entry['manager']} {entry['operation']} {entry.get('subresource', '')}".strip()
        dated = set() if entry.get("subresource") == "scale" else {"time"}  # as upstream has it
        assert set(entry) - {"subresource"} == PARTS | dated, entry
        found[who] = entry["fieldsV1"]
        status = "f:status" in entry["fieldsV1"]
        assert status == (entry.get("subresource") == "status") or obj["kind"] == "Namespace", entry
    return found


def stored(cluster: Cluster) -> dict[str, list[Object]]:
    found: dict[str, list[Object]] = {}
    for kind, store in cluster.api.stores.items():
        for entry in store.entries():
            found.setdefault(kind.resource, []).append(json.loads(entry.body))
    return found


def test_everything_of_a_cluster_has_the_owners_that_upstream_has(tmp_path: Path) -> None:
    async def scene() -> None:
        async with (
            Cluster(service_account_key=Pki(tmp_path, SystemClock()).service_account_key) as cluster,
            Nodes(cluster, 1),
        ):
            await cluster.apply(
                {"kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"pods": "9"}}},
                {"kind": "PodDisruptionBudget", "metadata": {"name": "b"}, "spec": {
                    "minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}},
                service(),
                deployment(replicas=2),
                stateful_set(replicas=1),
                HPA,
                pod("nowhere", nodeSelector={"no": "where"}),
            )  # fmt: skip
            await cluster.clock.advance(60)
            assert (await cluster.get("deployment/web"))["status"]["readyReplicas"] == 3
            assert "f:used" in owners(await cluster.get("resourcequota/q"))[f"{SERVER} status"]["f:status"]
            (first, *_) = await cluster.list("pods", labels="app=web")
            target = f"/api/v1/namespaces/default/pods/{first['metadata']['name']}/eviction"
            code, _ = await Api(cluster.api).ask("POST", target, {"apiVersion": "policy/v1", "kind": "Eviction"})
            assert code == 201
            noted = owners(await cluster.get("pdb/b"))[f"{SERVER} status"]["f:status"]
            assert "f:disruptedPods" in noted
            await cluster.clock.advance(60)
            objects = stored(cluster)
        found = {resource: {who for obj in each for who in owners(obj)} for resource, each in objects.items()}
        assert found == OWNERS
        for resource, each in objects.items():
            for obj in each:
                assert owners(obj) or not OWNERS[resource], (resource, obj["metadata"]["name"])
        roles = {role["metadata"]["name"]: owners(role) for role in objects["clusterroles.rbac.authorization.k8s.io"]}
        assert roles["edit"][GATHERED] == {"f:rules": {}}
        assert roles["edit"][SERVER]["f:aggregationRule"] == {".": {}, "f:clusterRoleSelectors": {}}
        assert "f:rules" not in roles["edit"][SERVER]
        (schema, *_) = objects["flowschemas.flowcontrol.apiserver.k8s.io"]
        (conditions,) = owners(schema)[f"{APF}consumer-v1 Apply status"]["f:status"].items()
        assert conditions[0] == "f:conditions" and list(conditions[1]) == ['k:{"type":"Dangling"}']
        bound = [each for each in objects["pods"] if "nodeName" in each["spec"]]
        assert bound and "nodeName" not in json.dumps([owners(each) for each in bound])

    asyncio.run(scene())
