"""kubectl against real nodes (sig-cli), v1.36's and this machine's own. Images are those of the other tests."""

from __future__ import annotations

import json
import platform
import time
from datetime import datetime
from typing import Any

from conformance.beside import beside
from conformance.cli.guestbook import APPLICATION
from conformance.cli.kubectls import Kubectl, each, gone, in_order, newest, running
from conformance.node.pods import until
from conformance.work import Work
from e2e.manifests import BUSYBOX, WEB
from longboat.machinery.objects import Object

PRIMARY = {"app": "agnhost", "role": "primary"}
SELECTOR = "app=agnhost,role=primary"


def controller(name: str, labels: dict[str, str], replicas: int, container: Object) -> Object:
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 0}}
    spec = {"replicas": replicas, "selector": labels, "template": pod}
    meta = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "ReplicationController", "metadata": meta, "spec": spec}


def primary() -> Object:
    command = ["sh", "-c", "echo Paused; exec httpd -f -p 6379 -h /"]
    container = {"name": "agnhost-primary", "image": BUSYBOX, "command": command}
    container["ports"] = [{"name": "agnhost-server", "containerPort": 6379}]
    return controller("agnhost-primary", PRIMARY, 1, container)


def service() -> Object:
    spec = {"ports": [{"port": 6379, "targetPort": "agnhost-server"}], "selector": PRIMARY}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "agnhost-primary", "labels": PRIMARY},
        "spec": spec,
    }


def nautilus() -> Object:
    env = [{"name": "NAME", "value": "nautilus.jpg"}]
    container = {"name": "update-demo", "image": WEB, "env": env, "ports": [{"containerPort": 8080}]}
    container["readinessProbe"] = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1}
    return controller("update-demo-nautilus", {"name": "update-demo", "version": "nautilus"}, 2, container)


def check_demo(kubectl: Kubectl, count: int) -> None:
    """Just so many run, of the right image, and each says what it is asked through the API."""
    pods = running(kubectl.work, "name=update-demo", count)
    until(lambda: len(kubectl.work.every("name=update-demo")) == count, "another one is still going")
    names = kubectl(
        "get",
        "pods",
        "-l",
        "name=update-demo",
        "-o",
        "template",
        "--template={{range .items}}{{.metadata.name}} {{end}}",
    )
    assert sorted(names.split()) == sorted(pods)
    for pod in pods:
        image = kubectl("get", "pod", pod, "-o", "template={{range .spec.containers}}{{.image}}{{end}}")
        assert image == WEB
        assert "nautilus.jpg" in kubectl(
            "get", "--raw", f"/api/v1/namespaces/{kubectl.work.namespace}/pods/{pod}:8080/proxy/"
        )


@beside
def test_a_replication_controller(work: Work) -> None:
    """Conformance: Kubectl, replication controller"""
    kubectl = newest(work)
    kubectl("create", "-f", "-", stdin=nautilus())
    check_demo(kubectl, 2)
    kubectl("delete", "--grace-period=0", "--force", "-f", "-", stdin=nautilus())
    gone(kubectl, "name=update-demo")


@beside
def test_scaling(work: Work) -> None:
    """Conformance: Kubectl, scale replication controller"""
    newer, older = each(work)
    newer("create", "-f", "-", stdin=nautilus())
    check_demo(newer, 2)
    newer("scale", "rc", "update-demo-nautilus", "--replicas=1", "--timeout=5m")
    check_demo(newer, 1)
    older("scale", "rc", "update-demo-nautilus", "--replicas=2", "--timeout=5m")
    check_demo(older, 2)
    older("delete", "--grace-period=0", "--force", "-f", "-", stdin=nautilus())
    gone(older, "name=update-demo")


@beside
def test_the_guestbook(work: Work) -> None:
    """Conformance: Kubectl, guestbook application"""
    newer, older = each(work)
    for part in APPLICATION:
        newer("create", "-f", "-", stdin=part)
    running(work, "tier=frontend", 3)
    frontend = f"/api/v1/namespaces/{work.namespace}/services/frontend/proxy/cgi-bin/guestbook"

    def answers(query: str, wanted: Object) -> None:
        found = [""]

        def ask() -> bool:
            ended = newer.ends("get", "--raw", f"{frontend}?{query}")
            found[0] = ended.out or ended.err
            return ended.code == 0 and ended.out != "" and json.loads(ended.out) == wanted

        until(ask, lambda: f"{query}: {found[0]}")

    answers("cmd=get&key=messages&value=", {"data": ""})
    running(work, "role=replica", 2)
    answers("cmd=set&key=messages&value=TestEntry", {"message": "Updated"})
    answers("cmd=get&key=messages&value=", {"data": "TestEntry"})
    older(
        "delete",
        "--grace-period=0",
        "--force",
        "-f",
        "-",
        stdin={"apiVersion": "v1", "kind": "List", "items": APPLICATION},
    )
    gone(older, "tier")


@beside
def test_versions_of_the_api(work: Work) -> None:
    """Conformance: Kubectl, check version v1"""
    for kubectl in each(work):
        assert {"v1", "apps/v1"} <= set(kubectl("api-versions").splitlines())


@beside
def test_cluster_info(work: Work) -> None:
    """Conformance: Kubectl, cluster info"""
    for kubectl in each(work):
        said = kubectl("cluster-info")
        assert "Kubernetes control plane" in said and "is running at" in said


@beside
def test_version(work: Work) -> None:
    """Conformance: Kubectl, version"""
    for kubectl in each(work):
        in_order(kubectl("version"), ("Client Version:", "v1."), ("Server Version:", "v1.36."))
        found = json.loads(kubectl("version", "-o", "json"))
        for side in ("clientVersion", "serverVersion"):
            assert {"major", "minor", "gitVersion", "gitCommit", "buildDate", "goVersion"} <= found[side].keys()
        assert (found["serverVersion"]["major"], found["serverVersion"]["minor"]) == ("1", "36")


@beside
def test_describing(work: Work) -> None:
    """Conformance: Kubectl, describe pod or rc"""
    newer, _ = each(work)
    newer("create", "-f", "-", stdin=primary())
    newer("create", "-f", "-", stdin=service())
    (pod,) = running(work, SELECTOR)
    work.comes_to("ReplicationController", "agnhost-primary", lambda rc: rc["status"].get("readyReplicas") == 1)
    for kubectl in each(work):
        check_descriptions(kubectl, pod)


def check_descriptions(kubectl: Kubectl, pod: str) -> None:
    namespace = kubectl.work.namespace
    in_order(
        kubectl("describe", "pod", pod),
        ("Name:", "agnhost-primary-"), ("Namespace:", namespace), ("Node:",), ("Labels:", "app=agnhost"),
        ("role=primary",), ("Annotations:",), ("Status:", "Running"), ("IP:",),
        ("Controlled By:", "ReplicationController/agnhost-primary"), ("Image:", BUSYBOX), ("State:", "Running"),
        ("QoS Class:", "BestEffort"),
    )  # fmt: skip
    in_order(
        kubectl("describe", "rc", "agnhost-primary"),
        ("Name:", "agnhost-primary"), ("Namespace:", namespace), ("Selector:", SELECTOR), ("Labels:", "app=agnhost"),
        ("role=primary",), ("Annotations:",), ("Replicas:", "1 current", "1 desired"),
        ("Pods Status:", "1 Running", "0 Waiting", "0 Succeeded", "0 Failed"), ("Pod Template:",), ("Image:", BUSYBOX),
        ("Events:",),
    )  # fmt: skip
    in_order(
        kubectl("describe", "service", "agnhost-primary"),
        ("Name:", "agnhost-primary"), ("Namespace:", namespace), ("Labels:", "app=agnhost"), ("role=primary",),
        ("Annotations:",), ("Selector:", "app=agnhost", "role=primary"), ("Type:", "ClusterIP"), ("IP:",),
        ("Port:", "<unset>", "6379/TCP"), ("Endpoints:",), ("Session Affinity:", "None"),
    )  # fmt: skip
    node = kubectl.work.api.get("/api/v1/nodes")["items"][0]["metadata"]["name"]
    in_order(
        kubectl("describe", "node", node),
        ("Name:", node), ("Labels:",), ("Annotations:",), ("CreationTimestamp:",), ("Conditions:",),
        ("Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message"), ("Addresses:",),
        ("Capacity:",), ("Kernel Version:", platform.release()), ("OS Image:",),
        ("Container Runtime Version:", "containerd://"), ("Kubelet Version:", "v1.36."), ("Pods:",),
    )  # fmt: skip
    in_order(
        kubectl("describe", "namespace", namespace),
        ("Name:", namespace), ("Labels:",), ("Annotations:",), ("Status:", "Active"),
    )  # fmt: skip


@beside
def test_differences(work: Work) -> None:
    """Conformance: Kubectl, diff Deployment"""
    labels = {"app": "httpd"}

    def deployment(image: str) -> Object:
        pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "httpd", "image": image}]}}
        spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "httpd-deployment"}, "spec": spec}

    newest(work)("create", "-f", "-", stdin=deployment(WEB))
    for kubectl in each(work):
        ended = kubectl.ends("diff", "-f", "-", stdin=deployment(BUSYBOX))
        assert ended.code == 1, f"{ended.out} {ended.err}"
        assert f"-      - image: {WEB}" in ended.out and f"+      - image: {BUSYBOX}" in ended.out
    newest(work)("delete", "-f", "-", stdin=deployment(WEB))


@beside
def test_exposing(work: Work) -> None:
    """Conformance: Kubectl, create service, replication controller"""
    kubectl = newest(work)
    kubectl("create", "-f", "-", stdin=primary())
    (pod,) = running(work, SELECTOR)
    until(lambda: "Paused" in kubectl("logs", pod, "agnhost-primary"), "it says nothing")
    uid = work.get(pod)["metadata"]["uid"]

    def check(name: str, port: int) -> None:
        path = f"{work.base}/endpoints?fieldSelector=metadata.name={name}"
        until(lambda: [each for each in work.api.get(path)["items"] if each.get("subsets")], "there are no endpoints")
        (found,) = work.api.get(path)["items"]
        (subset,) = found["subsets"]
        assert [address["targetRef"]["uid"] for address in subset["addresses"]] == [uid]
        assert [each["port"] for each in subset["ports"]] == [6379]
        (shown,) = work.read("Service", name)["spec"]["ports"]
        assert (shown["port"], shown["targetPort"]) == (port, 6379)

    kubectl("expose", "rc", "agnhost-primary", "--name=rm2", "--port=1234", "--target-port=6379")
    check("rm2", 1234)
    kubectl("expose", "service", "rm2", "--name=rm3", "--port=2345", "--target-port=6379")
    check("rm3", 2345)


@beside
def test_labels(work: Work) -> None:
    """Conformance: Kubectl, label update"""
    newest(work)("run", "pause", f"--image={WEB}", "--labels=name=pause")
    running(work, "name=pause")
    for kubectl in each(work):
        kubectl("label", "pods", "pause", "testing-label=testing-label-value")
        assert "testing-label-value" in kubectl("get", "pod", "pause", "-L", "testing-label")
        assert "pod/pause" in kubectl("get", "pod", "-l", "testing-label=testing-label-value", "-o", "name")
        kubectl("label", "pods", "pause", "testing-label-")
        assert "testing-label-value" not in kubectl("get", "pod", "pause", "-L", "testing-label")
        assert kubectl("get", "pod", "-l", "testing-label", "-o", "name") == ""


@beside
def test_patching(work: Work) -> None:
    """Conformance: Kubectl, patch to annotate"""
    newest(work)("create", "-f", "-", stdin=primary())
    pods = running(work, SELECTOR)
    for value, kubectl in enumerate(each(work)):
        change = {"metadata": {"annotations": {"x": f"y{value}"}}}
        for pod in pods:
            kubectl("patch", "pod", pod, "-p", json.dumps(change))
        for pod in work.every(SELECTOR).values():
            assert pod["metadata"]["annotations"]["x"] == f"y{value}"


@beside
def test_replacing(work: Work) -> None:
    """Conformance: Kubectl, replace"""
    kubectl, name = newest(work), "e2e-test-httpd-pod"
    kubectl("run", name, f"--image={WEB}", f"--labels=run={name}")
    running(work, f"run={name}")
    found = kubectl("get", "pod", name, "-o", "json")
    assert name in found
    kubectl("replace", "-f", "-", stdin=found.replace(WEB, BUSYBOX, 1))
    replaced = work.get(name)
    assert [each["image"] for each in replaced["spec"]["containers"]] == [BUSYBOX]
    kubectl(
        "replace",
        "--force",
        "--grace-period=0",
        "-f",
        "-",
        stdin=kubectl("get", "pod", name, "-o", "json").replace(BUSYBOX, WEB, 1),
    )
    again = work.get(name)
    assert again["metadata"]["uid"] != replaced["metadata"]["uid"]
    assert [each["image"] for each in again["spec"]["containers"]] == [WEB]
    kubectl("delete", "pods", name, "--grace-period=1")


@beside
def test_run(work: Work) -> None:
    """Conformance: Kubectl, run pod"""
    for number, kubectl in enumerate(each(work)):
        name = f"e2e-test-httpd-pod-{number}"
        kubectl("run", name, "--restart=Never", f"--image={WEB}")
        spec = work.get(name)["spec"]
        assert [each["image"] for each in spec["containers"]] == [WEB]
        assert spec["restartPolicy"] == "Never"
        work.ready(name)
        kubectl("delete", "pods", name, "--grace-period=1")


@beside
def test_dry_run(work: Work) -> None:
    """Conformance: Kubectl, server-side dry-run Pod"""
    name = "e2e-test-httpd-pod"
    newest(work)("run", name, f"--image={WEB}", f"--labels=run={name}")
    change = {"spec": {"containers": [{"name": name, "image": BUSYBOX}]}}
    for kubectl in each(work):
        said = kubectl("patch", "pod", name, "-p", json.dumps(change), "--dry-run=server", "-o", "json")
        assert json.loads(said)["spec"]["containers"][0]["image"] == BUSYBOX
        assert [each["image"] for each in work.get(name)["spec"]["containers"]] == [WEB]
    newest(work)("delete", "pods", name, "--grace-period=1")


def versions(work: Work, *where: str) -> Any:
    """What one is told of the API's versions who needs no credentials for it."""
    return json.loads(work.cluster.host.run("curl", "-sS", *where).ok().out)["versions"]


@beside
def test_proxy_on_any_port(work: Work) -> None:
    """Conformance: Kubectl, proxy port zero"""
    for kubectl in each(work):
        with kubectl.saying("proxy", "--port=0", "--disable-filter") as said:
            start, _, port = said.strip().rpartition(":")
            assert start == "Starting to serve on 127.0.0.1" and int(port) > 0
            assert versions(work, f"http://localhost:{port}/api/") == ["v1"]


@beside
def test_proxy_on_a_socket(work: Work) -> None:
    """Conformance: Kubectl, proxy socket"""
    for number, kubectl in enumerate(each(work)):
        path = work.cluster.host.folder / f"kubectl-proxy-{number}"
        with kubectl.saying("proxy", f"--unix-socket={path}") as said:
            assert str(path) in said
            assert versions(work, "--unix-socket", str(path), "http://localhost:0/api") == ["v1"]


@beside
def test_logs(work: Work) -> None:
    """Conformance: Kubectl, logs"""
    kubectl, name = newest(work), "logs-generator"
    script = 'for i in $(seq 100); do echo "$i GET /api/v1/namespaces/kube-system/pods/x 200"; sleep 0.2; done'
    kubectl("run", name, f"--image={BUSYBOX}", "--restart=Never", "--", "sh", "-c", script)
    work.ready(name)
    until(lambda: "/api/v1/namespaces/kube-system" in kubectl("logs", name, name), "it says nothing")
    for each_kubectl in each(work):
        assert len(each_kubectl("logs", name, name, "--tail=1").splitlines()) == 1
        assert len(each_kubectl("logs", name, name, "--limit-bytes=1")) == 1
        (line,) = each_kubectl("logs", name, name, "--tail=1", "--timestamps").splitlines()
        moment, *rest = line.split(" ")
        assert datetime.fromisoformat(moment).tzinfo is not None and rest
    time.sleep(2.5)  # that what was said at the start is surely older than a second
    for each_kubectl in each(work):
        recent, older = (each_kubectl("logs", name, name, f"--since={age}").splitlines() for age in ("1s", "24h"))
        assert 0 < len(recent) < len(older)
    kubectl("delete", "pod", name, "--grace-period=0", "--force")
