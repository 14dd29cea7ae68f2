"""Several machines: they join with a token, reach each other through a tunnel, and go on when their agent ends."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from e2e.host import LONGBOAT, Done, Host
from e2e.machines import Machine, switch
from e2e.manifests import service, shell_pod, web_deployment
from e2e.waiting import until

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(600)]

PORT = 16443
RANGES = ("--pod-cidr", "10.244.0.0/16,fd76:2::/56", "--service-cidr", "10.96.0.0/16,fd76:1::/112")


@dataclass
class Site:
    host: Host
    server: str
    machines: list[Machine]

    def kubectl(self, *args: str, stdin: str | None = None) -> Done:
        return self.host.run("kubectl", f"--kubeconfig={self.host.data}/admin.kubeconfig", *args, stdin=stdin)

    def apply(self, *objects: object) -> None:
        self.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})).ok()

    def token(self) -> str:
        made = self.host.run(*LONGBOAT, "token", "create", "--data-dir", str(self.host.data))
        return made.quiet().strip()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, images: dict[str, Path]) -> Iterator[Site]:
    """A control plane on one machine, two more machines that have joined it, and the test images on them."""
    folder = tmp_path_factory.mktemp("machines")
    host = Host(folder)
    address = switch(host)
    with (folder / "server.log").open("w") as log:
        plane = host.start(
            *LONGBOAT, "server", "--data-dir", str(host.data), "--listen", f"{address}:{PORT}",
            *RANGES, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    found = Site(host, f"https://{address}:{PORT}", [])
    try:
        until(lambda: (host.data / "admin.kubeconfig").exists() and found.kubectl("get", "--raw", "/readyz").code == 0)
        for number in (1, 2):
            machine = Machine(host, folder, number)
            found.machines.append(machine)
            machine.join(
                found.server,
                found.token(),
                *RANGES,
                "--node-ip",
                machine.address,
                "--node-cidr",
                f"{machine.address}/32",
            )
        until(lambda: found.kubectl("get", "node", "machine-1", "machine-2").code == 0)
        found.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s").ok()
        for machine in found.machines:
            ctr = ("ctr", "--address", "/run/longboat/containerd/containerd.sock", "--namespace", "k8s.io")
            machine.run(*ctr, "images", "import", str(images["web"])).ok()
        yield found
    finally:
        for machine in found.machines:
            machine.close()
        plane.terminate()
        plane.wait(20)
        host.close()


def test_pods_on_different_machines_reach_each_other_through_the_tunnel(site: Site) -> None:
    site.apply(
        *(shell_pod(f"on-{m.name}", "exec /web", node=m.name) for m in site.machines),
        web_deployment("web"),
        service("web"),
    )
    site.kubectl("wait", "--for=condition=Ready", "pods", "--all", "--timeout=60s").ok()
    pods = json.loads(site.kubectl("get", "pods", "-o", "json").quiet())["items"]
    where = {p["metadata"]["name"]: p["status"]["podIP"] for p in pods}
    for one, other in (("on-machine-1", "on-machine-2"), ("on-machine-2", "on-machine-1")):
        assert other in site.kubectl("exec", one, "--", "/fetch", where[other], "8080").quiet()
    assert "longboat.vxlan" in site.machines[0].run("ip", "-d", "link", "show", "type", "vxlan").quiet()
    address = json.loads(site.kubectl("get", "service", "web", "-o", "json").quiet())["spec"]["clusterIP"]
    for machine in site.machines:
        assert "web-" in site.kubectl("exec", f"on-{machine.name}", "--", "/fetch", address, "80").quiet()
    # exec and logs went through serving certificates that the cluster has signed for the nodes' own names.
    requests = site.kubectl("get", "csr", "-o", "jsonpath={range .items[*]}{.spec.signerName} {end}").quiet().split()
    signers = ("kube-apiserver-client", "kube-apiserver-client-kubelet", "kubelet-serving")
    assert sorted(set(requests)) == [f"kubernetes.io/{signer}" for signer in signers]


def test_the_tunnel_carries_both_families_between_machines_of_one(site: Site) -> None:
    serve = "mkdir /www; hostname > /www/index.html; exec httpd -f -p 8080 -h /www"
    pods = [shell_pod(f"six-{m.name}", serve, node=m.name) for m in site.machines]
    for pod in pods:
        pod["metadata"]["labels"] = {"app": "six"}
    families = {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"]}
    both = service("six", target=8080)
    site.apply(*pods, {**both, "spec": {**both["spec"], **families}})
    site.kubectl("wait", "--for=condition=Ready", "pods", "-l", "app=six", "--timeout=60s").ok()

    def answers(machine: Machine, address: str) -> str:
        shown = f"[{address}]" if ":" in address else address
        return machine.run("curl", "-s", "-m", "3", f"http://{shown}").out.strip()

    found = json.loads(site.kubectl("get", "pods", "-l", "app=six", "-o", "json").quiet())["items"]
    for pod in found:
        name, (four, six) = pod["metadata"]["name"], (each["ip"] for each in pod["status"]["podIPs"])
        for machine in site.machines:
            shown = machine.run("curl", "-s", "-m", "3", f"http://[{six}]:8080/", f"http://{four}:8080/").out.split()
            assert shown == [name, name]
    addresses = json.loads(site.kubectl("get", "service", "six", "-o", "json").quiet())["spec"]["clusterIPs"]
    names = {pod["metadata"]["name"] for pod in found}
    assert ":" in addresses[0] and "." in addresses[1]
    for machine in site.machines:
        for address in addresses:
            seen: set[str] = set()
            until(lambda m=machine, a=address, s=seen: s.add(answers(m, a)) or s == names)  # type: ignore[misc]


def test_a_wrong_token_or_a_wrong_cluster_is_refused(site: Site) -> None:
    good = site.token()
    secret, _, pin = good.partition("@")
    machine = site.machines[0]
    for token, said in (
        (f"aaaaaa.{secret.partition('.')[2]}@{pin}", "Unauthorized"),
        (f"{secret}@sha256:{'0' * 64}", "is not the cluster that the token names"),
        (secret, "this is not a join token"),
    ):
        file = machine.folder / "bad-token"
        file.write_text(token)
        flags = ("--server", site.server, "--token-file", str(file), "--data-dir", str(machine.folder / "none"))
        refused = machine.run(*LONGBOAT, "agent", *flags)
        assert refused.code == 1 and said in refused.err, refused
        assert secret.partition(".")[2] not in refused.err
    site.host.run(*LONGBOAT, "token", "delete", secret, "--data-dir", str(site.host.data)).ok()
    listed = site.host.run(*LONGBOAT, "token", "list", "--data-dir", str(site.host.data)).quiet()
    assert secret.partition(".")[0] not in listed


def test_an_agent_starts_again_without_its_token_and_its_pods_go_on(site: Site) -> None:
    machine = site.machines[1]
    site.apply(shell_pod("stays", "exec /web", node=machine.name))
    site.kubectl("wait", "--for=condition=Ready", "pod/stays", "--timeout=60s").ok()

    def container() -> str:
        return site.kubectl("get", "pod", "stays", "-o", "jsonpath={.status.containerStatuses[0].containerID}").quiet()

    before = container()
    machine.stop_agent(signal.SIGKILL)
    (machine.folder / "token").unlink()
    time.sleep(1)
    machine.start_agent(*RANGES, "--node-ip", machine.address, "--node-cidr", f"{machine.address}/32")
    site.kubectl("label", "pod", "stays", "seen=again").ok()
    until(lambda: "stays" in site.kubectl("exec", "stays", "--", "/fetch", "127.0.0.1", "8080").out)
    assert container() == before


def test_a_lost_machines_pods_move_and_it_comes_back_clean(site: Site) -> None:
    kept, lost = site.machines
    impatient = [
        {"key": f"node.kubernetes.io/{taint}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 2}
        for taint in ("unreachable", "not-ready")
    ]
    moved = web_deployment("moved", 2)
    spread = {"topologyKey": "kubernetes.io/hostname", "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}
    spread |= {"labelSelector": {"matchLabels": {"app": "moved"}}}
    moved["spec"]["template"]["spec"] |= {"tolerations": impatient, "topologySpreadConstraints": [spread]}
    staying = [shell_pod(name, "exec /web", node=m.name) for name, m in (("witness", kept), ("patient", lost))]
    site.apply(moved, service("moved"), *staying)
    site.kubectl("rollout", "status", "deploy/moved", "--timeout=60s").ok()
    site.kubectl("wait", "--for=condition=Ready", "pod/witness", "pod/patient", "--timeout=60s").ok()
    address = json.loads(site.kubectl("get", "service", "moved", "-o", "json").quiet())["spec"]["clusterIP"]

    def pods() -> list[tuple[str, str]]:
        found = json.loads(site.kubectl("get", "pods", "-l", "app=moved", "-o", "json").quiet())["items"]
        return [
            (p["metadata"]["name"], p["spec"]["nodeName"]) for p in found if not p["metadata"].get("deletionTimestamp")
        ]

    def containers() -> str:
        ctr = ("ctr", "--address", "/run/longboat/containerd/containerd.sock", "--namespace", "k8s.io")
        return lost.run(*ctr, "tasks", "list", "--quiet").quiet()

    def node() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(site.kubectl("get", "node", lost.name, "-o", "json").quiet())
        return found

    def ready() -> str:
        return next(str(c["status"]) for c in node()["status"]["conditions"] if c["type"] == "Ready")

    assert {where for _, where in pods()} == {kept.name, lost.name}
    before = set(containers().split())
    lost.unplug()
    try:
        until(lambda: ready() == "Unknown", 80)
        effects = {(t["key"].partition("/")[2], t["effect"]) for t in node()["spec"]["taints"]}
        assert {("unreachable", "NoSchedule"), ("unreachable", "NoExecute")} <= effects
        until(lambda: [where for _, where in pods()] == [kept.name, kept.name], 30)
        site.kubectl("rollout", "status", "deploy/moved", "--timeout=30s").ok()
        for _ in range(10):
            assert "moved-" in site.kubectl("exec", "witness", "--", "/fetch", address, "80").quiet()
        assert set(containers().split()) == before, "what it ran goes on while nobody can tell it otherwise"
    finally:
        lost.plug()
    until(lambda: ready() == "True" and not node()["spec"].get("taints"), 30)
    until(lambda: len(json.loads(site.kubectl("get", "pods", "-l", "app=moved", "-o", "json").quiet())["items"]) == 2)
    until(lambda: set(containers().split()) < before)
    site.kubectl("wait", "--for=condition=Ready", "pod/patient", "--timeout=30s").ok()  # which was given up meanwhile
    site.apply(shell_pod("returned", "exec /web", node=lost.name))
    site.kubectl("wait", "--for=condition=Ready", "pod/returned", "--timeout=30s").ok()
    assert "moved-" in site.kubectl("exec", "returned", "--", "/fetch", address, "80").quiet()
