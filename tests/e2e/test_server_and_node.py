"""A machine that is server and node at once: the API server reaches its own address where the node is, no further."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from e2e.host import LONGBOAT, Done, Host
from e2e.machines import Machine, switch
from e2e.manifests import shell_pod
from e2e.waiting import until
from longboat.aio.clock import SystemClock
from longboat.api.certificates import SERVER
from longboat.apiserver.pki import Pair, Pki

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

PORT = 16443
FOO = "example.com/foo"


class Alone(Machine):
    """One machine with the control plane and a node, both on its one address."""

    def kubectl(self, *args: str, stdin: str | None = None) -> Done:
        kubectl = ["kubectl", f"--kubeconfig={self.folder}/server/admin.kubeconfig", *args]
        ended = subprocess.run(
            [*self.entering, *kubectl], input=stdin, capture_output=True, text=True, timeout=90,
            env=self.host.environment,
        )  # fmt: skip
        return Done(kubectl, ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, images: dict[str, Path]) -> Iterator[Alone]:
    folder = tmp_path_factory.mktemp("alone")
    host = Host(folder)
    switch(host)
    machine = Alone(host, folder, 1)
    data = str(machine.folder / "server")
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [*machine.entering, *LONGBOAT, "server", "--data-dir", data, "--listen", f"{machine.address}:{PORT}"],
            text=True, env=host.environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        until(lambda: machine.kubectl("get", "--raw", "/readyz").code == 0)
        token = machine.run(*LONGBOAT, "token", "create", "--data-dir", data).quiet().strip()
        machine.join(f"https://{machine.address}:{PORT}", token)
        until(lambda: machine.kubectl("get", "node", machine.name).code == 0)
        machine.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s").ok()
        ctr = ("ctr", "--address", "/run/longboat/containerd/containerd.sock", "--namespace", "k8s.io")
        machine.run(*ctr, "images", "import", str(images["web"])).ok()
        script = "echo said; mkdir /www; echo served > /www/index.html; exec httpd -f -p 8080 -h /www"
        pods = [shell_pod("app", script), shell_pod("beside", script.replace("8080", "8081"))]
        pods[1]["spec"]["hostNetwork"] = True
        for each in pods:
            each["spec"]["tolerations"] = [{"operator": "Exists"}]
        machine.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": pods})).ok()
        machine.kubectl("wait", "--for=condition=Ready", "pods", "--all", "--timeout=60s").ok()
        until(lambda: machine.kubectl("logs", "app").code == 0)  # its certificate comes once it has told its address
        yield machine
    finally:
        machine.close()
        server.send_signal(signal.SIGTERM)
        server.wait(20)
        host.close()


def test_logs_exec_port_forward_and_metrics(alone: Alone) -> None:
    assert alone.kubectl("logs", "app").quiet() == "said\n"
    assert alone.kubectl("exec", "app", "--", "cat", "/www/index.html").quiet() == "served\n"
    forwarding = f"kubectl --kubeconfig={alone.folder}/server/admin.kubeconfig port-forward pod/app 18080:8080"
    script = f"{forwarding} & job=$!; trap 'kill $job' EXIT; for i in $(seq 100); do sleep 0.1;"
    script += " curl -s http://127.0.0.1:18080/ && exit 0; done; exit 1"
    assert "served" in alone.run("bash", "-c", script).ok().out
    until(lambda: alone.name in alone.kubectl("top", "node").out, 30)
    figures = f"/api/v1/nodes/{alone.name}/proxy/metrics"
    own = text_string_to_metric_families(alone.kubectl("get", "--raw", figures).quiet())
    of_node = {family.name: family.samples for family in own}  # which a scraper must find once each
    assert of_node["kubelet_running_pods"] and of_node["coredns_cache_requests"]
    followed = {(s.labels["name"], s.labels["resource"]): s.value for s in of_node["longboat_reflectors"]}
    assert followed["kubelet", "pods"] == followed["network", "services"] == followed["network", "pods"] == 1
    plane = text_string_to_metric_families(alone.kubectl("get", "--raw", "/metrics").quiet())
    of_plane = {family.name: family.samples for family in plane}
    assert {s.labels["queue"]: s.value for s in of_plane["scheduler_pending_pods"]}["unschedulable"] == 0
    assert any(s.labels["name"] == "endpoint_slice" and s.value > 0 for s in of_plane["workqueue_adds"])
    assert of_plane["apiserver_storage_size_bytes"][0].value > 4096
    assert sum(s.value for s in of_plane["etcd_requests"] if s.labels["resource"] == "pods") > 0
    used = text_string_to_metric_families(alone.kubectl("get", "--raw", f"{figures}/resource").quiet())
    of_app = {s.name: s for family in used for s in family.samples if s.labels.get("pod") == "app"}
    assert of_app["container_memory_working_set_bytes"].value == of_app["pod_memory_working_set_bytes"].value > 0
    seen = of_app["container_cpu_usage_seconds_total"].timestamp
    assert seen is not None and 0 < float(seen) - of_app["container_start_time_seconds"].value < 300
    dashboards = text_string_to_metric_families(alone.kubectl("get", "--raw", f"{figures}/cadvisor").quiet())
    told = {s.name: s for family in dashboards for s in family.samples if s.labels.get("pod") == "app"}
    assert told["container_memory_working_set_bytes"].labels["image"] and told["container_cpu_usage_seconds_total"]
    for pod in ("app:8080", "beside:8081"):
        assert alone.kubectl("get", "--raw", f"/api/v1/namespaces/default/pods/{pod}/proxy/").quiet() == "served\n"


def test_nothing_leads_to_the_server_s_own_port(alone: Alone) -> None:
    told = {
        "addresses": [{"type": "InternalIP", "address": alone.address}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": PORT}},
    }
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "edge"}}
    alone.kubectl("create", "-f", "-", stdin=json.dumps(node)).ok()
    alone.kubectl("patch", "node", "edge", "--subresource=status", "-p", json.dumps({"status": told})).ok()
    for path, why in (
        ("/api/v1/nodes/edge/proxy/api/v1/secrets", f"address not allowed: {alone.address} (this server's own"),
        (f"/api/v1/namespaces/default/pods/https:beside:{PORT}/proxy/version", "address not allowed"),
    ):
        refused = alone.kubectl("get", "--raw", path)
        assert (refused.code, why in refused.err) == (1, True), refused


def test_the_node_renews_its_certificates_when_it_is_asked_to_and_stays_up(alone: Alone) -> None:
    data = ("--data-dir", str(alone.folder / "server"))
    place, pod = alone.folder / "data", alone.kubectl("get", "pod", "app", "-o", "json").json
    own = [place / "kubelet.kubeconfig", place / "network.kubeconfig", place / "pki" / "serving.crt"]
    texts = [path.read_text() for path in own]
    session = ("exec", "app", "--", "sh", "-c", "until [ -e /tmp/go ]; do sleep 0.1; done; echo still here")
    kubectl = ["kubectl", f"--kubeconfig={alone.folder}/server/admin.kubeconfig", *session]
    with subprocess.Popen(
        [*alone.entering, *kubectl], text=True, env=alone.host.environment, stdout=subprocess.PIPE
    ) as begun:
        done = alone.run(*LONGBOAT, "certs", "rotate", *data).ok()
        assert f"1 node has renewed: {alone.name}" in done.out, done
        until(lambda: all(path.read_text() != text for path, text in zip(own, texts, strict=True)), 30)
        assert alone.kubectl("exec", "app", "--", "touch", "/tmp/go").quiet() == ""
        assert begun.stdout is not None and begun.stdout.read() == "still here\n"
    assert alone.kubectl("get", "pod", "app", "-o", "json").json["status"] == pod["status"]
    shown = json.loads(alone.run(*LONGBOAT, "certs", "show", *data, "--output", "json").quiet())
    assert [each["subject"] for each in shown if f"node {alone.name}" in each["places"]] == [
        f"CN=system:node:{alone.name},O=system:nodes"
    ]
    here = alone.run(*LONGBOAT, "certs", "show", "--data-dir", str(place)).quiet()
    assert "network.kubeconfig" in here and "pki/serving.crt" in here
    refused = alone.run(*LONGBOAT, "certs", "rotate", "--data-dir", str(place))
    assert refused.code == 1 and "holds no authority" in refused.err


def bound(alone: Alone, name: str, **requests: str) -> None:
    """Make a pod on the node without asking a scheduler."""
    made = shell_pod(name, "exec sleep 1000000")
    resources = {"requests": requests, "limits": requests}
    made["spec"] |= {"nodeName": alone.name, "terminationGracePeriodSeconds": 1}
    made["spec"]["containers"][0]["resources"] = resources
    if name == "critical":
        made["spec"] |= {"priorityClassName": "system-node-critical", "tolerations": [{"operator": "Exists"}]}
    alone.kubectl("apply", "-f", "-", stdin=json.dumps(made)).ok()


def state(alone: Alone, name: str) -> tuple[str, str]:
    status = alone.kubectl("get", "pod", name, "-o", "json").json["status"]
    return status["phase"], status.get("reason", "")


def test_the_node_counts_what_others_add_to_it_and_makes_room_for_critical_pods(alone: Alone) -> None:
    added = json.dumps({"status": {"capacity": {FOO: "2"}}})
    alone.kubectl("patch", "node", alone.name, "--subresource=status", "-p", added).ok()
    until(lambda: alone.kubectl("get", "node", alone.name, "-o", "json").json["status"]["allocatable"].get(FOO) == "2")
    bound(alone, "first", **{FOO: "2"})
    until(lambda: state(alone, "first") == ("Running", ""))
    bound(alone, "second", **{FOO: "1"})
    until(lambda: state(alone, "second") == ("Failed", f"OutOf{FOO}"))
    bound(alone, "critical", **{FOO: "1"})
    until(lambda: state(alone, "critical") == ("Running", ""))
    assert state(alone, "first") == ("Failed", "Preempting")
    ended = alone.kubectl("get", "pod", "first", "-o", "json").json["status"]
    assert ended["message"] == "Preempted in order to admit critical pod"
    assert "TerminationByKubelet" in [condition.get("reason") for condition in ended["conditions"]]


def test_the_node_refuses_pods_that_a_taint_would_evict(alone: Alone) -> None:
    alone.kubectl("taint", "node", alone.name, "broken=yes:NoExecute").ok()
    bound(alone, "repelled")
    events = ("get", "events", "--field-selector", "reason=TaintToleration", "-o", "jsonpath={.items[*].message}")
    until(lambda: "node(s) had taints that the pod didn't tolerate" in alone.kubectl(*events).out)
    alone.kubectl("taint", "node", alone.name, "broken-").ok()
    assert state(alone, "critical") == ("Running", "")


def test_a_certificate_of_the_former_kind_is_replaced_when_the_agent_starts(alone: Alone) -> None:
    """Before nodes had an authority of their own the cluster's signed what they serve with."""
    authority = Pki(alone.folder / "server" / "pki", SystemClock()).ca
    place, name = alone.folder / "data" / "pki", f"system:node:{alone.name}"
    alone.stop_agent()
    old = Pair(place / "serving.crt", place / "serving.key")
    authority.issue(old, SystemClock(), name, ("system:nodes",), usages=SERVER, hosts=[alone.name, alone.address])
    requests = alone.kubectl("get", "csr", "-o", "name").quiet().split()
    alone.start_agent()
    until(lambda: alone.kubectl("logs", "app").out == "said\n")
    more = set(alone.kubectl("get", "csr", "-o", "name").quiet().split()) - set(requests)
    assert len(more) == 1, "it has not joined again"
    until(lambda: alone.kubectl("get", "node", alone.name, "-o", "json").json["status"]["allocatable"].get(FOO) == "2")
    assert state(alone, "critical") == ("Running", ""), "what it holds is kept over a restart"
