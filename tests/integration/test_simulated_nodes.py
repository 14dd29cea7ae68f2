"""Applications as people publish them, on nodes whose containers are only imagined: all get ready, all Jobs end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import yaml

from longboat.aio.clock import SystemClock
from longboat.apiserver.pki import Pki
from longboat.machinery.objects import Object
from longboat.node.simulated.behaviour import Behaviour, Selector, Stage
from longboat.testing.cluster import Cluster
from longboat.testing.nodes import Nodes
from suites.objects import deployment

EXAMPLES = Path(__file__).parents[2] / "examples"
CLUSTER_WIDE = ("ClusterRole", "ClusterRoleBinding")
MOST = 90.0  # seconds of virtual time


def workloads(text: str, namespace: str) -> list[Object]:
    """The manifests in a namespace of their own, whatever they say."""
    found = [obj for obj in yaml.safe_load_all(text) if obj and obj["kind"] != "Namespace"]
    for obj in found:
        if obj["kind"] not in CLUSTER_WIDE:
            obj["metadata"]["namespace"] = namespace
    return found


Test = Callable[[Cluster, Nodes], Awaitable[None]]
Run = Callable[[Test], None]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a test in a cluster of two nodes."""
    key = Pki(tmp_path_factory.mktemp("pki"), SystemClock()).service_account_key

    def run(test: Test) -> None:
        async def main() -> None:
            async with Cluster(service_account_key=key) as cluster, Nodes(cluster, 2) as nodes:
                await test(cluster, nodes)

        asyncio.run(main())

    return run


async def unfinished(cluster: Cluster, namespace: str) -> dict[str, Object]:
    """What is not as it should be: pods neither ready nor succeeded, or restarted; Jobs that are not complete."""
    found: dict[str, Object] = {}
    pods = await cluster.list("pods", namespace)
    for pod in pods:
        conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", ())}
        wanted = "Succeeded" if pod["spec"]["restartPolicy"] != "Always" else "Running"
        is_well = pod["status"].get("phase") == wanted and (wanted == "Succeeded" or conditions.get("Ready") == "True")
        if not is_well or any(c["restartCount"] for c in pod["status"].get("containerStatuses", ())):
            found[f"pod/{pod['metadata']['name']}"] = pod["status"]
    for job in await cluster.list("jobs", namespace):
        if not any(c["type"] == "Complete" for c in job["status"].get("conditions", ())):
            found[f"job/{job['metadata']['name']}"] = job["status"]
    for kind, ready in (("deploy", "readyReplicas"), ("sts", "readyReplicas"), ("ds", "numberReady")):
        for workload in await cluster.list(kind, namespace):
            spec, status = workload["spec"], workload["status"]
            wanted = status["desiredNumberScheduled"] if kind == "ds" else spec.get("replicas", 1)
            if status.get(ready, 0) != wanted:
                found[f"{kind}/{workload['metadata']['name']}"] = status
    return found if pods else {"nothing": {}}


SECRET = """
---
apiVersion: v1
kind: Secret
metadata: {name: database}
stringData: {password: example}
"""


def pod(name: str, spec: str, **fields: str) -> str:
    lines = "".join(f"  {field}: {value}\n" for field, value in fields.items())
    return f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  containers:\n  - {spec}\n{lines}"


def container(rest: str) -> str:
    return f'{{name: c, image: "registry.example.com/a:1", {rest}}}'


def every(kind: str, action: str) -> str:
    return container(f"{kind}: {{{action}, periodSeconds: 2, failureThreshold: 2}}")


FORMS = {
    "not root": pod("p", container("securityContext: {runAsNonRoot: true}")),
    "not root, all of the pod": pod("p", container("tty: true"), securityContext="{runAsNonRoot: true, fsGroup: 1}"),
    "exec liveness": pod("p", every("livenessProbe", "exec: {command: [pg_isready, -U, postgres]}")),
    "exec readiness": pod("p", every("readinessProbe", "exec: {command: [sh, -c, 'redis-cli ping | grep PONG']}")),
    "exec startup": pod("p", every("startupProbe", "exec: {command: [sh, -c, 'test -f /tmp/ok || exit 1']}")),
    "http": pod("p", every("readinessProbe", "httpGet: {path: /healthz, port: 8080}")),
    "https": pod("p", every("livenessProbe", "httpGet: {scheme: HTTPS, port: 8443}")),
    "https at a name": pod("p", every("readinessProbe", "httpGet: {scheme: HTTPS, host: example.com, port: 443}")),
    "tcp at a host": pod("p", every("readinessProbe", "tcpSocket: {host: 127.0.0.1, port: 9100}")),
    "grpc": pod("p", every("readinessProbe", "grpc: {port: 9090, service: liveness}")),
    "host network": pod("p", every("livenessProbe", "httpGet: {port: 9100}"), hostNetwork="true"),
    "host network, host probe": pod(
        "p", every("livenessProbe", "httpGet: {host: 127.0.0.1, port: 9100}"), hostNetwork="true"
    ),
    "init": pod(
        "p", container("command: [nginx]"),
        initContainers='[{name: i, image: "registry.example.com/a:1", command: [cp, -r, /plugins, /out]}, '
        '{name: j, image: "registry.example.com/a:1"}, '
        '{name: k, image: busybox, command: [sh, -c, "until nslookup db; do echo waiting; sleep 2; done"]}]',
    ),
    "sidecar": pod(
        "p", container("ports: [{containerPort: 80}]"),
        initContainers='[{name: s, image: "registry.example.com/a:1", restartPolicy: Always, '
        'startupProbe: {exec: {command: [check]}, periodSeconds: 1}}, {name: i, image: "registry.example.com/a:1"}]',
    ),
    "hooks": pod(
        "p", container(
            "lifecycle: {postStart: {httpGet: {scheme: HTTPS, host: notify.example.com, port: 443}}, "
            "preStop: {exec: {command: [sh, -c, 'sleep 5; nginx -s quit']}}}"
        ),
    ),
    "post start command": pod("p", container("lifecycle: {postStart: {exec: {command: [bin/setup, --now]}}}")),
    "forms that look like they end": pod(
        "p", container("command: [sh, -c, 'trap : TERM; sleep infinity & wait']")
    ),
    "node selector": pod(
        "p", container("tty: false"), nodeSelector="{kubernetes.io/os: linux, kubernetes.io/arch: amd64}"
    ),
    "sleep infinity": pod("p", container("command: [sleep, infinity]")),
    "bare and not restarted": pod("p", container("command: [helm-test]"), restartPolicy="Never"),
    "volumes": pod(
        "p", container("volumeMounts: [{name: e, mountPath: /e, subPath: a}, {name: n, mountPath: /n}, "
                       "{name: s, mountPath: /s}, {name: i, mountPath: /i}, {name: x, mountPath: /x}]"),
        volumes="[{name: e, emptyDir: {}}, {name: n, nfs: {server: nas, path: /a}}, "
        "{name: h, hostPath: {path: /var/lib/nowhere, type: Directory}}, "
        "{name: s, csi: {driver: secrets-store.csi.k8s.io, readOnly: true}}, "
        "{name: i, image: {reference: 'registry.example.com/data:1'}}, "
        "{name: x, iscsi: {targetPortal: '10.0.0.1:3260', iqn: 'iqn.2000-01.com.example:a', lun: 0}}, "
        "{name: p, projected: {sources: [{serviceAccountToken: {path: token}}, "
        "{downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}]}}]",
    ),
    "job": """
apiVersion: batch/v1
kind: Job
metadata: {name: migrate}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: "registry.example.com/migrate:1"}]}}}
""",
    "job with ports, a sidecar of old and one of new": """
apiVersion: batch/v1
kind: Job
metadata: {name: j}
spec:
  template:
    spec:
      restartPolicy: OnFailure
      initContainers: [{name: mesh, image: "m:1", restartPolicy: Always}]
      containers:
      - {name: c, image: "a:1", command: [rake, "db:migrate"]}
      - {name: log, image: "l:1", ports: [{containerPort: 80}]}
""",
    "indexed job": """
apiVersion: batch/v1
kind: Job
metadata: {name: j}
spec:
  completions: 5
  parallelism: 2
  completionMode: Indexed
  template: {spec: {restartPolicy: Never, containers: [{name: c, image: "a:1", command: [python, work.py]}]}}
""",
    "cron job": """
apiVersion: batch/v1
kind: CronJob
metadata: {name: c}
spec:
  schedule: "* * * * *"
  jobTemplate:
    spec:
      template: {spec: {restartPolicy: OnFailure, containers: [{name: c, image: "a:1", args: [backup]}]}}
""",
    "stateful set": """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 2
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      securityContext: {runAsNonRoot: true}
      initContainers: [{name: copy, image: "db:1", command: [cp, /a, /b], volumeMounts: [{name: data, mountPath: /d}]}]
      containers:
      - name: db
        image: "db:1"
        volumeMounts: [{name: data, mountPath: /data, subPath: db}]
        readinessProbe: {exec: {command: [pg_isready]}}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
""",
    "daemon set": """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: exporter}
spec:
  selector: {matchLabels: {app: exporter}}
  template:
    metadata: {labels: {app: exporter}}
    spec:
      hostNetwork: true
      hostPID: true
      containers:
      - name: c
        image: "exporter:1"
        ports: [{name: metrics, containerPort: 9100, hostPort: 9100}]
        securityContext: {privileged: true}
        livenessProbe: {httpGet: {path: /, port: metrics, scheme: HTTPS}}
        readinessProbe: {httpGet: {path: /, port: 9100, host: 127.0.0.1}}
        volumeMounts: [{name: root, mountPath: /host, readOnly: true, mountPropagation: HostToContainer}]
      volumes: [{name: root, hostPath: {path: /}}, {name: socket, hostPath: {path: /run/none.sock, type: Socket}}]
""",
}  # fmt: skip


def everything() -> dict[str, str]:
    """Manifests by what they are of."""
    examples = {
        folder.name: "\n---\n".join(file.read_text() for file in sorted(folder.glob("*.yaml")))
        for folder in EXAMPLES.iterdir()
        if folder.is_dir()
    }
    examples["blog"] += SECRET  # its page has it made by hand
    return {**FORMS, **examples}


@pytest.fixture(scope="module")
def ends(run: Run) -> dict[str, dict[str, Object]]:
    """What was unfinished of all of them in the end, each in a namespace of its own of the same cluster."""
    ends: dict[str, dict[str, Object]] = {}

    async def test(cluster: Cluster, nodes: Nodes) -> None:
        namespaces = {name: name.replace(" ", "-").replace(",", "") for name in everything()}
        for name in namespaces.values():
            await cluster.apply({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}})
        await cluster.settle()
        for name, text in everything().items():
            await cluster.apply(*workloads(text, namespaces[name]))
        await cluster.clock.advance(MOST)
        for name, namespace in namespaces.items():
            ends[name] = await unfinished(cluster, namespace)
        await cluster.delete("pod/p", namespace="hooks")
        await cluster.clock.advance(4)
        going = await cluster.exists("pod/p", "hooks")
        await cluster.clock.advance(3)
        if not going or await cluster.exists("pod/p", "hooks"):
            ends["hooks"]["its preStop hook"] = {"takes": "not five seconds"}

    run(test)
    return ends


@pytest.mark.parametrize("name", everything())
def test_what_people_write_gets_ready(name: str, ends: dict[str, dict[str, Object]]) -> None:
    assert not ends[name]


def test_what_a_test_says_of_pods_is_what_becomes_of_them(run: Run) -> None:
    async def test(cluster: Cluster, nodes: Nodes) -> None:
        async def ready() -> int:
            return int((await cluster.get("deployment/web"))["status"].get("readyReplicas", 0))

        web = Selector(matchLabels={"app": "web"})
        nodes.use(Behaviour(selector=web, stages=(Stage(delay="30s", ready=True),)))
        await cluster.apply(deployment("web", replicas=2), deployment("other", replicas=1))
        await cluster.clock.advance(29)
        assert await ready() == 0
        assert (await cluster.get("deployment/other"))["status"]["readyReplicas"] == 1
        await cluster.clock.advance(5)
        assert await ready() == 2
        nodes.use(Behaviour(selector=web, stages=(Stage(delay="5s", exitCode=137, reason="OOMKilled"),)))
        await cluster.clock.advance(6)
        pods = await cluster.list("pods", labels="app=web")
        ended = [pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"] for pod in pods]
        assert ended == ["OOMKilled", "OOMKilled"]
        nodes.use()
        await cluster.clock.advance(60)
        assert await ready() == 2

    run(test)
