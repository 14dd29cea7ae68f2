"""A tour of stock kubectl, in each version this machine has: everything works, and standard error stays empty."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.host import Cluster
from e2e.manifests import service, shell_pod, web_deployment

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(600)]


def test_what_is_there(kubectl: Cluster) -> None:
    resources = kubectl.kubectl("api-resources").quiet()
    for line in ("deployments ", "horizontalpodautoscalers ", "customresourcedefinitions "):
        assert line in resources
    assert "apps/v1" in kubectl.kubectl("api-versions").quiet().split()
    assert "+longboat" in kubectl.kubectl("version").ok().out
    assert "control plane" in kubectl.kubectl("cluster-info").quiet()
    assert "VERSION:    v1" in kubectl.kubectl("explain", "pod.spec.containers").quiet()
    assert "maxSurge" in kubectl.kubectl("explain", "deployment", "--recursive").quiet()
    assert kubectl.kubectl("auth", "can-i", "create", "pods").quiet() == "yes\n"
    assert kubectl.kubectl("auth", "can-i", "--list").quiet()
    nodes = kubectl.kubectl("get", "nodes", "-o", "wide").quiet().splitlines()
    assert len(nodes) == 3 and all(" Ready " in line for line in nodes[1:])


def test_a_deployments_life(kubectl: Cluster, namespace: str, tmp_path: Path) -> None:
    n = ("-n", namespace)
    manifest = tmp_path / "web.json"
    document = {"apiVersion": "v1", "kind": "List", "items": [web_deployment("web"), service("web")]}
    manifest.write_text(json.dumps(document))
    assert "deployment.apps/web created" in kubectl.kubectl(*n, "apply", "-f", str(manifest)).quiet()
    kubectl.kubectl(*n, "rollout", "status", "deployment/web", "--timeout=60s").quiet()
    assert kubectl.kubectl(*n, "diff", "-f", str(manifest)).quiet() == ""
    assert "unchanged" in kubectl.kubectl(*n, "apply", "-f", str(manifest)).quiet()

    wide = kubectl.kubectl(*n, "get", "deploy,rs,pods,svc,endpointslices", "-o", "wide").quiet()
    assert "3/3" in wide
    pod = kubectl.kubectl(*n, "get", "pods", "-o", "name").quiet().split()[0]
    assert "Successfully assigned" in kubectl.kubectl(*n, "describe", pod).quiet()
    assert "RollingUpdateStrategy:  25% max unavailable" in kubectl.kubectl(*n, "describe", "deploy", "web").quiet()
    ips = kubectl.kubectl(*n, "get", "pods", "-o", "jsonpath={.items[*].status.podIP}").quiet().split()
    assert len(set(ips)) == 3

    kubectl.kubectl(*n, "label", "deploy", "web", "tier=front").quiet()
    assert "web" in kubectl.kubectl(*n, "get", "deploy", "-l", "tier=front").quiet()
    kubectl.kubectl(*n, "scale", "deploy", "web", "--replicas=2").quiet()
    kubectl.kubectl(*n, "set", "env", "deploy/web", "COLOUR=green").quiet()
    kubectl.kubectl(*n, "rollout", "status", "deploy/web", "--timeout=60s").quiet()
    assert "2 " in kubectl.kubectl(*n, "rollout", "history", "deploy/web").quiet()
    kubectl.kubectl(*n, "rollout", "undo", "deploy/web").ok()  # newer ones warn of what apply manages
    kubectl.kubectl(*n, "rollout", "status", "deploy/web", "--timeout=60s").quiet()
    env = kubectl.kubectl(*n, "get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[0].env}").quiet()
    assert env == ""
    kubectl.kubectl(*n, "set", "image", "deploy/web", "web=longboat.local/web:none").quiet()
    failed = kubectl.kubectl(*n, "rollout", "status", "deploy/web", "--timeout=3s")
    assert failed.code == 1
    kubectl.kubectl(*n, "rollout", "undo", "deploy/web").ok()  # newer ones warn of what apply manages
    kubectl.kubectl(*n, "wait", "--for=condition=Available", "deploy/web", "--timeout=60s").quiet()
    assert "ScalingReplicaSet" in kubectl.kubectl(*n, "events").quiet()
    kubectl.kubectl(*n, "delete", "deploy", "web", "--timeout=60s").quiet()


def test_inside_a_container(kubectl: Cluster, namespace: str, tmp_path: Path) -> None:
    n = ("-n", namespace)
    pod = shell_pod("box", "echo started; echo oops; sleep 1000000")
    kubectl.kubectl(*n, "apply", "-f", "-", stdin=json.dumps(pod)).quiet()
    kubectl.kubectl(*n, "wait", "--for=condition=Ready", "pod/box", "--timeout=60s").quiet()
    assert kubectl.kubectl(*n, "logs", "box").quiet() == "started\noops\n"
    assert kubectl.kubectl(*n, "logs", "box", "--tail=1").quiet() == "oops\n"
    assert kubectl.kubectl(*n, "exec", "box", "--", "hostname").quiet() == "box\n"
    assert kubectl.kubectl(*n, "exec", "-i", "box", "--", "cat", stdin="hi\n").quiet() == "hi\n"
    failed = kubectl.kubectl(*n, "exec", "box", "--", "sh", "-c", "exit 7")
    assert (failed.code, failed.err) == (7, "command terminated with exit code 7\n")
    source, back = tmp_path / "a", tmp_path / "b"
    source.write_text("some bytes\n" * 1000)
    kubectl.kubectl(*n, "cp", str(source), "box:/tmp/a").quiet()
    kubectl.kubectl(*n, "cp", "box:/tmp/a", str(back))
    assert back.read_text() == source.read_text()
    kubectl.kubectl(*n, "delete", "pod", "box", "--timeout=60s").quiet()


def test_edit(kubectl: Cluster, namespace: str, tmp_path: Path) -> None:
    n = ("-n", namespace)
    kubectl.kubectl(*n, "create", "configmap", "settings", "--from-literal=colour=red").quiet()
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i s/red/blue/ "$1"\n')
    editor.chmod(0o755)
    kubectl.host.run(
        "env", f"KUBE_EDITOR={editor}", kubectl.kubectl_binary, *n, "edit", "configmap", "settings"
    ).quiet()
    assert kubectl.kubectl(*n, "get", "cm", "settings", "-o", "jsonpath={.data.colour}").quiet() == "blue"


def test_port_forward(kubectl: Cluster, namespace: str) -> None:
    n = ("-n", namespace)
    kubectl.kubectl(*n, "apply", "-f", "-", stdin=json.dumps(web_deployment("web", replicas=1))).quiet()
    kubectl.kubectl(*n, "rollout", "status", "deploy/web", "--timeout=60s").quiet()
    with kubectl.host.start(
        kubectl.kubectl_binary, *n, "port-forward", "deploy/web", "18080:8080", stdout=-1, stderr=-1
    ) as forward:
        assert forward.stdout is not None
        assert "Forwarding from 127.0.0.1:18080" in forward.stdout.readline()
        for _ in range(3):
            page = kubectl.host.run("curl", "-sS", "http://127.0.0.1:18080/").quiet()
            assert "web-" in page
        forward.terminate()
