"""helm, as it is published, 4 and 3: the guide's chart is installed, upgraded, tested, taken back and removed.

On a node whose containers are imagined: its hooks are Jobs and a pod. The guide's page is followed on a real one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.host import Done
from e2e.pages import blocks, write
from integration.cli.machine import Machine
from published import published

pytestmark = [pytest.mark.root, pytest.mark.slow]


class Release:
    """The chart in a namespace of its own, by one helm."""

    def __init__(self, machine: Machine, version: str, namespace: str, chart: Path) -> None:
        self.machine, self.namespace, self.chart = machine, namespace, str(chart)
        self.is_applying = version.startswith("helm-4")
        self._helm = str(published(version) / "helm")
        machine.kubectl("create", "namespace", self.namespace).quiet()

    def run(self, *args: str) -> Done:
        return self.machine.host.run(self._helm, "--namespace", self.namespace, *args)

    def get(self, *args: str) -> Any:
        return self.machine.kubectl("-n", self.namespace, "get", *args, "-o", "json", "--show-managed-fields").json

    def status(self) -> tuple[int, str]:
        found = json.loads(self.run("status", "shop", "-o", "json").ok().out)
        return found["version"], found["info"]["status"]

    def owners(self, what: str) -> set[tuple[str, str]]:
        return {(each["manager"], each["operation"]) for each in self.get(*what.split())["metadata"]["managedFields"]}

    def touch(self, **data: str) -> None:
        change = json.dumps({"data": data})
        args = ("patch", "configmap", "shop", "--field-manager=somebody", "--type=merge", "-p", change)
        self.machine.kubectl("-n", self.namespace, *args).quiet()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    machine = Machine(tmp_path_factory.mktemp("helm"))
    try:
        machine.up("--simulated-nodes", "1").ok()
        yield machine
    finally:
        machine.close()


@pytest.fixture(params=["helm-4.2", "helm-3.19"])
def release(machine: Machine, request: pytest.FixtureRequest, tmp_path: Path) -> Release:
    for language, content in blocks("helm"):
        if language == "yaml":
            write("helm", content, tmp_path)
    namespace = f"{request.param.replace('.', '-')}-{request.function.__name__.split('_')[-1]}"
    return Release(machine, request.param, namespace, tmp_path / "chart")


WAIT = ("--wait", "--timeout", "40s")


def test_a_chart_from_its_installation_to_its_end(release: Release) -> None:
    said = release.run("install", "shop", release.chart, *WAIT).ok()
    assert "STATUS: deployed" in said.out
    assert release.status() == (1, "deployed")
    assert release.get("box", "shop")["spec"]["size"] == "small"  # of a kind that came with it
    hook = release.get("job", "shop-migrate")
    assert hook["status"]["succeeded"] == 1
    assert hook["metadata"]["creationTimestamp"] <= release.get("deploy", "shop")["metadata"]["creationTimestamp"]
    ours = ("helm", "Apply" if release.is_applying else "Update")
    assert release.owners("configmap shop") == {ours}
    assert ours in release.owners("deployment shop")

    release.run("upgrade", "shop", release.chart, "--set", "replicas=2", *WAIT).ok()
    assert release.get("deploy", "shop")["status"]["readyReplicas"] == 2
    assert release.get("box", "shop")["spec"]["size"] == "large"
    after = release.get("job", "shop-migrate")
    assert after["metadata"]["uid"] != hook["metadata"]["uid"]  # made anew
    assert release.run("test", "shop").ok().out.count("Phase:          Succeeded") == 1

    release.touch(greeting="good day", mine="yes")
    changed = release.run("upgrade", "shop", release.chart, "--set", "replicas=2,greeting=hi")
    if release.is_applying:
        assert changed.code == 1
        assert 'conflict with "somebody" using v1: .data.greeting' in changed.err
        assert release.get("configmap", "shop")["data"] == {"greeting": "good day", "mine": "yes"}
        assert release.status() == (3, "failed")
        release.run("upgrade", "shop", release.chart, "--set", "greeting=hi", "--force-conflicts").ok()
        assert release.owners("configmap shop") == {ours, ("somebody", "Update")}
    else:
        changed.ok()  # it merges, and asks nobody
    assert release.get("configmap", "shop")["data"] == {"greeting": "hi", "mine": "yes"}

    release.run("rollback", "shop", "1").ok()
    assert release.get("configmap", "shop")["data"] == {"greeting": "hello", "mine": "yes"}
    assert release.get("box", "shop")["spec"]["size"] == "small"
    history = json.loads(release.run("history", "shop", "-o", "json").ok().out)
    assert [each["status"] for each in history][-2:] == ["superseded", "deployed"]
    assert history[-1]["description"] == "Rollback to 1"

    release.run("uninstall", "shop", *WAIT).ok()
    left = release.get("deployments,boxes,secrets,configmaps")["items"]
    assert [each["metadata"]["name"] for each in left] == ["kube-root-ca.crt"]
    assert release.machine.kubectl("get", "crd", "boxes.shop.example.com").code == 0  # it outlives what came with it


def test_an_installation_that_fails_is_taken_back(release: Release) -> None:
    option = "--rollback-on-failure" if release.is_applying else "--atomic"
    failed = release.run("install", "bad", release.chart, "--set", "replicas=-1", option, *WAIT)
    assert failed.code == 1 and "spec.replicas: Invalid value: -1: must be greater than or equal to 0" in failed.err
    assert release.run("list", "-q").ok().out.strip() == ""
    assert release.get("deployments,boxes")["items"] == []
