"""Configuration follows its objects into running pods, without a restart; credentials go only where they are named."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import pytest

from e2e.host import Cluster
from e2e.manifests import WEB

pytestmark = [pytest.mark.containers, pytest.mark.timeout(300)]

WITHIN = 2.0  # seconds
SCRATCH = ("/app/extra/deep", "/app/labels/extra", "/both/deep/extra", "/etc/extra")


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def reader() -> dict[str, Any]:
    """Three containers: one is given everything, one nothing, and one has more mounted beneath what it is given."""
    volumes: list[dict[str, Any]] = [
        {"name": "config", "configMap": {"name": "settings"}},
        {"name": "secret", "secret": {"secretName": "credentials"}},
        {
            "name": "both",
            "projected": {
                "sources": [
                    {"configMap": {"name": "settings", "items": [{"key": "colour", "path": "deep/colour"}]}},
                    {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
                ]
            },
        },
    ]
    told = {
        "name": "told", "image": WEB, "command": ["sleep", "100000"],
        "env": [{"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}}],
        "volumeMounts": [{"name": v["name"], "mountPath": f"/{v['name']}"} for v in volumes],
    }  # fmt: skip
    untold = {"name": "untold", "image": WEB, "command": ["sleep", "100000"]}
    beneath: list[dict[str, Any]] = [
        {"name": "config", "mountPath": "/app"}, {"name": "scratch", "mountPath": "/app/extra/deep"},
        {"name": "scratch", "mountPath": "/app/part", "subPathExpr": "$(PART)"},
        {"name": "secret", "mountPath": "/app/key", "subPath": "key"},
        {"name": "secret", "mountPath": "/app/extra/deep/secret"}, {"name": "labels", "mountPath": "/app/labels"},
        {"name": "scratch", "mountPath": "/app/labels/extra"},
        {"name": "both", "mountPath": "/both"}, {"name": "scratch", "mountPath": "/both/deep/extra"},
        {"name": "both", "mountPath": "/etc", "subPath": "deep"}, {"name": "scratch", "mountPath": "/etc/extra"},
        {"name": "config", "mountPath": "/secret/config", "readOnly": True}, {"name": "secret", "mountPath": "/secret"},
    ]  # fmt: skip
    nested = {
        "name": "nested", "image": WEB, "command": ["sh", "-c", "trap exit TERM; sleep 100000 & wait"],
        "env": [{"name": "PART", "value": "a/b"}],
        "terminationMessagePath": "/app/message", "volumeMounts": beneath,
    }  # fmt: skip
    labels = {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}
    volumes += [{"name": "labels", "downwardAPI": labels}, {"name": "scratch", "emptyDir": {}}]
    spec = {"containers": [told, untold, nested], "volumes": volumes, "terminationGracePeriodSeconds": 1}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "reader", "labels": {"tier": "one"}}, "spec": spec}


def test_a_change_reaches_files_at_once_and_variables_at_the_next_start(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("config", "set-context", "--current", f"--namespace={namespace}").quiet()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "credentials"}, "stringData": {"key": "old"}}
    cluster.apply(config_map("settings", colour="red"), secret, reader())
    cluster.kubectl("wait", "--for=condition=Ready", "pod/reader", "--timeout=60s").quiet()

    def said(*command: str, container: str = "told") -> str:
        return cluster.kubectl("exec", "reader", "-c", container, "--", *command).out

    def soon(path: str, wanted: str) -> None:
        began = time.monotonic()
        while wanted not in said("cat", path):
            assert time.monotonic() - began < WITHIN, f"{path} is still {said('cat', path)!r}"

    said("sh", "-c", f"echo part > /app/part/file; echo all > {SCRATCH[0]}/file", container="nested")
    cluster.apply(config_map("settings", colour="green", more="yes"))
    soon("/config/colour", "green")
    soon("/both/deep/colour", "green")
    assert said("cat", "/config/more") == "yes"
    cluster.kubectl("patch", "secret", "credentials", "-p", '{"stringData":{"key":"new"}}').quiet()
    soon("/secret/key", "new")
    cluster.kubectl("label", "pod", "reader", "tier=two", "--overwrite").quiet()
    soon("/both/labels", 'tier="two"')
    assert said("sh", "-c", "echo $COLOUR") == "red\n"
    restarts = [s["restartCount"] for s in cluster.get("pod", "reader")["status"]["containerStatuses"]]
    assert restarts == [0, 0, 0]

    # What is mounted beneath such a volume is there, stays there, and is all that can be written to.
    for place in SCRATCH:
        assert said("cat", f"{place}/file", f"{place}/a/b/file", container="nested") == "all\npart\n"
    assert said("cat", "/app/part/file", container="nested") == "part\n"
    paths = ["/app/colour", "/both/deep/colour", "/secret/config/colour", "/app/extra/deep/secret/key", "/secret/key"]
    assert said("cat", *paths, container="nested") == "green" * 3 + "new" * 2
    assert 'tier="two"' in said("cat", "/app/labels/labels", container="nested")
    assert said("cat", "/app/key", "/etc/colour", container="nested") == "oldred"  # parts: as when the container began
    assert "localhost" in said("cat", "/etc/hosts", container="nested")
    for path in ("/app/file", "/app/extra/file", "/app/key", "/both/deep/file", "/etc/file", "/secret/file"):
        done = cluster.kubectl("exec", "reader", "-c", "nested", "--", "sh", "-c", f"echo no > {path}")
        assert done.code == 1 and "Read-only file system" in done.err
    cluster.kubectl("exec", "reader", "-c", "nested", "--", "sh", "-c", "echo bye > /app/message").quiet()
    cluster.kubectl("exec", "reader", "-c", "nested", "--", "kill", "1")  # which may end this too, before it can say so
    again = ("wait", "pod/reader", "--for=jsonpath={.status.containerStatuses[?(@.name=='nested')].restartCount}=1")
    cluster.kubectl(*again, "--timeout=20s").quiet()
    nested = next(s for s in cluster.get("pod", "reader")["status"]["containerStatuses"] if s["name"] == "nested")
    assert nested["lastState"]["terminated"]["message"] == "bye\n"
    assert said("cat", "/app/key", "/etc/colour", "/app/part/file", container="nested") == "newgreenpart\n"

    # Credentials are in the container that names them, and nowhere else.
    assert "credentials" not in said("cat", "/proc/mounts", container="untold")
    assert "/secret" not in said("ls", "/", container="untold").split()
    assert said("sh", "-c", "grep ' /secret ' /proc/mounts").startswith("tmpfs ")

    # What is immutable stays as it is, in the API and so everywhere.
    cluster.kubectl("patch", "configmap", "settings", "-p", '{"immutable":true}').quiet()
    refused = cluster.kubectl("patch", "configmap", "settings", "-p", json.dumps({"data": {"colour": "blue"}}))
    assert refused.code == 1 and "field is immutable when `immutable` is set" in refused.err
    assert said("cat", "/config/colour") == "green"


def test_a_node_that_starts_again_goes_on_following(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("config", "set-context", "--current", f"--namespace={namespace}").quiet()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "credentials"}, "stringData": {"key": "old"}}
    cluster.apply(config_map("settings", colour="red"), secret, reader())
    cluster.kubectl("wait", "--for=condition=Ready", "pod/reader", "--timeout=60s").quiet()
    node = cluster.get("pod", "reader")["spec"]["nodeName"]
    pid = next(p["pid"] for p in cluster.status()["processes"] if p["name"] == node)
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while all(p["pid"] in (pid, None, 0) for p in cluster.status()["processes"] if p["name"] == node):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    time.sleep(2)
    cluster.apply(config_map("settings", colour="green"))
    began = time.monotonic()
    while "green" not in cluster.kubectl("exec", "reader", "-c", "told", "--", "cat", "/config/colour").out:
        assert time.monotonic() - began < 5
    assert cluster.get("pod", "reader")["status"]["containerStatuses"][0]["restartCount"] == 0
