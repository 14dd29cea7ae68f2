"""Commands and arguments, what the kubelet does around them, and how containers end (sig-node)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.node.pods import Pods, container, pod, state
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]

MANAGED = "# Kubernetes-managed hosts file."
HOSTS_OF_NODE = "/etc/hosts-of-node"
DATA = {"name": "hosts", "hostPath": {"path": "/etc/hosts", "type": "File"}}
ALIASES = [{"ip": "123.45.67.89", "hostnames": ["foo", "bar"]}, {"ip": "123.45.67.90", "hostnames": ["baz"]}]
SHOW_HOSTS = "cat /etc/hosts"

START = [
    pod("logs", container("echo to-stdout; echo to-stderr >&2")),
    pod("fails", container("false"), restartPolicy="Always", terminationGracePeriodSeconds=30),  # its node ends it
    pod("read-only", container("echo test > /file; exit $?", securityContext={"readOnlyRootFilesystem": True})),
    pod("writable", container("echo test > /file; exit $?")),
    pod("aliases", container(SHOW_HOSTS), hostAliases=ALIASES),
    pod(
        "hosts",
        container(SHOW_HOSTS, name="plain"),
        container(SHOW_HOSTS, name="mounted", volumeMounts=[{"name": "hosts", "mountPath": "/etc/hosts"}]),
        volumes=[DATA],
    ),
    pod("hosts-of-node", container(SHOW_HOSTS), hostNetwork=True),
]


@pytest.fixture(scope="module")
def commanded(pods: Pods, tools: str) -> Iterator[Pods]:
    """Pods of an image whose entrypoint and arguments are known."""

    def made(name: str, **fields: list[str]) -> dict[str, object]:
        return {"name": "main", "image": tools, "imagePullPolicy": "IfNotPresent", **fields}

    command, args = ["/bin/echo", "command"], ["other", "words"]
    pods.create(
        pod("nothing", made("nothing")),
        pod("args", made("args", args=args)),
        pod("command", made("command", command=command)),
        pod("both", made("both", command=command, args=args)),
    )
    yield pods


def test_the_image_s_command_and_arguments(commanded: Pods) -> None:
    """Conformance: Containers, without command and arguments"""
    assert commanded.said("nothing") == ["entrypoint default arguments"]


def test_other_arguments(commanded: Pods) -> None:
    """Conformance: Containers, with arguments"""
    assert commanded.said("args") == ["entrypoint other words"]


def test_another_command(commanded: Pods) -> None:
    """Conformance: Containers, with command"""
    assert commanded.said("command") == ["command"]


def test_another_command_and_arguments(commanded: Pods) -> None:
    """Conformance: Containers, with command and arguments"""
    assert commanded.said("both") == ["command other words"]


def test_output_is_logged(pods: Pods) -> None:
    """Conformance: Kubelet, log output, default"""
    assert sorted(pods.said("logs")) == ["to-stderr", "to-stdout"]


def has_ended(pod: Object) -> bool:
    """Whether its container has, now or before its last restart."""
    return "terminated" in {**state(pod).get("state", {}), **state(pod).get("lastState", {})}


def test_a_container_that_always_fails_says_why(pods: Pods) -> None:
    """Conformance: Kubelet, failed pod, terminated reason"""
    failed = pods.until("fails", has_ended)
    (status,) = failed["status"]["containerStatuses"]
    ended = status["state"].get("terminated") or status["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (1, "Error")


def test_a_pod_that_always_fails_can_be_deleted(pods: Pods) -> None:
    """Conformance: Kubelet, failed pod, delete"""
    pods.until("fails", has_ended)
    pods.delete("fails")
    pods.until_gone("fails")


def test_a_read_only_root(pods: Pods) -> None:
    """Conformance: Kubelet, pod with read only root file system"""
    pods.finished("read-only", "Failed")
    assert "Read-only file system" in pods.log("read-only")
    pods.finished("writable")  # the same write passes otherwise


def test_aliases_of_hosts(pods: Pods) -> None:
    """Conformance: Kubelet, hostAliases"""
    entries = [line.split() for line in pods.said("aliases") if not line.startswith("#")]
    assert ["123.45.67.89", "foo", "bar"] in entries
    assert ["123.45.67.90", "baz"] in entries


def test_the_hosts_file(pods: Pods) -> None:
    """Conformance: Kubelet, managed etc hosts"""
    pods.finished("hosts")
    theirs = Path("/etc/hosts").read_text()
    managed = pods.log("hosts", "plain")
    assert managed.startswith(MANAGED)
    assert [pods.get("hosts")["status"]["podIP"], "hosts"] in [line.split() for line in managed.splitlines()]
    assert pods.log("hosts", "mounted") == theirs
    assert pods.said("hosts-of-node")
    of_node = pods.log("hosts-of-node")
    assert MANAGED not in of_node and of_node.endswith(theirs)
