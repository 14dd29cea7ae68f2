"""`longboat up` and `down` on a machine of their own: what they leave, what they say when something is wrong."""

from __future__ import annotations

import json
import os
import select
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from e2e.host import LONGBOAT
from e2e.pages import follow
from integration.cli.machine import Machine, failed, machine

__all__ = ["machine"]

pytestmark = [pytest.mark.root, pytest.mark.slow]


LISTEN = """
import socket, time
with socket.create_server(("127.0.0.1", 7777)):
    print("listening", flush=True)
    time.sleep(100)
"""
NOBODY = ("setpriv", "--reuid", "65534", "--clear-groups")


def test_a_control_plane_from_nothing_to_nothing(machine: Machine) -> None:
    done = machine.up().ok()
    assert "✓ control plane is ready at https://127.0.0.1:" in done.out and done.err == ""
    assert machine.kubectl("get", "namespaces", "-o", "name").quiet().split() == [
        f"namespace/{name}" for name in ("default", "kube-node-lease", "kube-public", "kube-system")
    ]
    status = machine.status()
    assert {"supervisor", "store", "control-plane"} <= set(machine.pids())
    assert all(process["pss_bytes"] > 0 for process in status["processes"])
    assert "+longboat" in status["version"] and status["nodes"] == []
    config = machine.host.kubeconfig
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert yaml.safe_load(config.read_text())["current-context"] == "longboat"
    assert stat.S_IMODE(machine.data.stat().st_mode) == 0o700
    pids = machine.pids()

    again = machine.up().ok()
    assert "is still ready" in again.out and machine.pids() == pids

    assert "stopped" in machine.longboat("down").ok().out
    assert not any(Path(f"/proc/{pid}").exists() and _cmdline(pid) for pid in pids.values())
    assert machine.longboat("status").code == 3
    assert yaml.safe_load(config.read_text())["contexts"] == []
    assert "was not running" in machine.longboat("down").ok().out


def test_state_survives_down_and_the_port_is_kept(machine: Machine) -> None:
    machine.up().ok()
    api = machine.status()["api"]
    machine.create("kept")
    machine.longboat("down").ok()
    machine.up().ok()
    assert machine.status()["api"] == api
    assert machine.kubectl("get", "configmap", "kept", "-o", "jsonpath={.data.a}").quiet() == "b"


@pytest.mark.parametrize("victims", ["supervisor", "control-plane", "store", "supervisor control-plane store"])
def test_a_half_dead_cluster_is_repaired(machine: Machine, victims: str) -> None:
    machine.up().ok()
    before = machine.pids()
    for victim in victims.split():
        os.kill(before[victim], signal.SIGKILL)
    machine.up().ok()
    after = machine.pids()
    assert set(after) == set(before)
    for name in before:
        assert (after[name] != before[name]) == (name in victims.split()), name
    machine.create("alive")


def test_the_supervisor_restarts_what_dies(machine: Machine) -> None:
    machine.up().ok()
    before = machine.pids()["control-plane"]
    os.kill(before, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while machine.kubectl("get", "--raw", "/readyz").code:
        assert time.monotonic() < deadline
    assert machine.pids()["control-plane"] != before


def test_a_busy_port_is_named(machine: Machine) -> None:
    with machine.host.start(sys.executable, "-c", LISTEN, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline()
        failed(machine.up("--api-port", "7777"), "7777", "--api-port")
        holder.kill()
    machine.up("--api-port", "7777").ok()
    assert machine.status()["api"] == "https://127.0.0.1:7777"


def test_a_full_disk_is_named_and_nothing_is_left_running(machine: Machine) -> None:
    machine.data.mkdir()
    machine.host.run("mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(machine.data)).ok()
    try:
        failed(machine.up(), "no space left", "--data-dir")
        machine.host.run("mount", "-o", "remount,size=100m", str(machine.data)).ok()
        machine.up().ok()
        machine.longboat("down").ok()
    finally:
        machine.host.run("umount", "-l", str(machine.data))


def test_a_place_one_may_not_write_is_named(machine: Machine, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    done = machine.host.run(
        "setpriv",
        "--reuid",
        "65534",
        "--clear-groups",
        *LONGBOAT,
        "up",
        "--nodes",
        "0",
        "--data-dir",
        str(tmp_path / "x"),
    )
    failed(done, str(tmp_path / "x"), "--data-dir")


def test_real_nodes_need_root(machine: Machine) -> None:
    done = machine.host.run(*NOBODY, *LONGBOAT, "up", "--nodes", "1", "--data-dir", "/tmp/none")
    assert done.code == 1 and done.out == ""
    failed(done, "root", "--simulated-nodes 1")


def test_simulated_nodes_are_reached_at_their_one_port_of_loopback_and_nothing_else_is(
    machine: Machine, tmp_path: Path
) -> None:
    """What runs there is imagined as the guide says."""
    assert machine.up("--simulated-nodes", "2").code == 0
    assert follow(machine.host, "simulated-nodes", tmp_path)
    pods = "/api/v1/nodes/{}/proxy/pods"
    for name in ("simulated-1", "simulated-2"):
        assert json.loads(machine.kubectl("get", "--raw", pods.format(name)).quiet())["kind"] == "PodList"
    assert "simulated-2" in machine.kubectl("top", "node").out
    _certificates_are_replaced_while_all_goes_on(machine, pods)
    chosen = json.loads((machine.data / "cluster.json").read_text())
    machine.host.run(
        "kubectl", "create", "-f", "-", stdin='{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "x"}}'
    ).ok()
    for port, why in ((chosen["simulated_port"], "NotFound"), (chosen["api_port"], "address not allowed: 127.0.0.1")):
        at = {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]}
        at["daemonEndpoints"] = {"kubeletEndpoint": {"Port": port}}
        machine.kubectl("patch", "node", "x", "--subresource=status", "-p", json.dumps({"status": at})).ok()
        refused = machine.kubectl("get", "--raw", pods.format("x"))
        assert (refused.code, why in refused.err) == (1, True), refused


def _certificates_are_replaced_while_all_goes_on(machine: Machine, pods: str) -> None:
    """A connection that is open stays open: a watch goes on. Who asks afterwards is shown the new certificates."""
    shown = {each["places"][0]: each for each in json.loads(machine.longboat("certs", "show", "--output", "json").out)}
    assert {"pki/ca.crt", "pki/serving.crt", "pki/admin.crt", "nodes/simulated/pki/serving.crt"} <= {
        place for each in shown.values() for place in each["places"]
    }
    assert shown["pki/serving.crt"]["usages"] == ["server auth"] and shown["pki/serving.crt"]["daysLeft"] == 364
    assert "node simulated-1" in shown["pki/kubelet-serving-simulated.crt"]["places"]
    before, pids = machine.host.kubeconfig.read_text(), machine.pids()
    watch = ("kubectl", "get", "configmaps", "-n", "default", "--watch-only", "-o", "name")
    with machine.host.start(*watch, stdout=subprocess.PIPE) as watching:
        assert watching.stdout is not None
        for number in range(100):  # until it has begun
            machine.create(f"before-{number}")
            if select.select([watching.stdout], [], [], 0.1)[0]:
                break
        done = machine.longboat("certs", "rotate").ok()
        assert "2 nodes have renewed: simulated-1, simulated-2" in done.out and done.err == ""
        machine.create("after")
        assert any(line.strip() == "configmap/after" for line in watching.stdout)
        watching.kill()
    assert machine.pids() == pids and machine.host.kubeconfig.read_text() != before
    again = {each["places"][0]: each for each in json.loads(machine.longboat("certs", "show", "--output", "json").out)}
    for place, each in again.items():
        assert (each["serial"] == shown[place]["serial"]) == (each["usages"] == ["authority"]), place
        assert each["subject"] == shown[place]["subject"] and each["names"] == shown[place]["names"]
    assert "node simulated-1" in again["pki/kubelet-serving-simulated.crt"]["places"]
    assert json.loads(machine.kubectl("get", "--raw", pods.format("simulated-1")).quiet())["kind"] == "PodList"
    machine.kubectl("wait", "--for=condition=Ready", "node/simulated-1", "--timeout=5s").ok()


@pytest.mark.parametrize("missing", ["containerd", "runc"])
def test_a_missing_program_is_named_with_its_package(machine: Machine, tmp_path: Path, missing: str) -> None:
    for folder in ("/usr/bin", "/usr/sbin"):
        if (Path(folder) / missing).exists():
            empty = tmp_path / "empty"
            empty.touch()
            for alias in {Path(folder) / missing, Path(folder.removeprefix("/usr")) / missing}:
                machine.host.run("mount", "--bind", "/dev/null", str(alias.resolve()))
    failed(machine.up(nodes=1), f"{missing} is not installed", "apt install", "longboat up --nodes 0")
    assert not (machine.data / "run").exists()


def test_bad_usage_exits_with_two(machine: Machine) -> None:
    for args in (["up", "--nodes", "x"], ["up", "--no-such"], ["fly"], ["up", "--name", "../x"], ["image", "paint"]):
        done = machine.longboat(*args)
        assert done.code == 2 and "Traceback" not in done.err and done.err.startswith(" ✗ "), done


def test_clusters_side_by_side(machine: Machine, tmp_path: Path) -> None:
    machine.up().ok()
    other = ["--name", "other"]
    machine.longboat("up", *other, "--nodes", "0", "--data-dir", str(tmp_path / "other")).ok()
    try:
        listed = json.loads(machine.longboat("list", "--output", "json").ok().out)
        assert [(item["name"], item["running"]) for item in listed] == [("default", True), ("other", True)]
        contexts = machine.kubectl("config", "get-contexts", "-o", "name").quiet().split()
        assert contexts == ["longboat", "longboat-other"]
        machine.create("here", "--context", "longboat")
        assert machine.kubectl("--context", "longboat-other", "get", "configmap", "here").code == 1
    finally:
        machine.longboat("down", *other, "--purge").ok()
    assert set(machine.pids()) >= {"store", "control-plane"}


def test_down_of_a_cluster_that_is_not_there_is_fine(machine: Machine) -> None:
    assert "nothing runs" in machine.longboat("down", "--name", "nobody").ok().out
    failed(machine.longboat("status", "--name", "nobody"), "longboat up")


def _cmdline(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


@pytest.mark.containers
def test_a_failed_first_up_leaves_nothing(machine: Machine) -> None:
    machine.host.run("mount", "--bind", "/bin/false", "/usr/bin/containerd").ok()
    failed(machine.up(nodes=1), "containerd-node-1 keeps ending")
    assert machine.kubectl("config", "get-contexts", "-o", "name").quiet() == ""
    assert json.loads(machine.longboat("list", "--output", "json").ok().out) == []
    assert not any(str(machine.data) in _cmdline(int(entry.name)) for entry in Path("/proc").glob("[0-9]*"))


@pytest.mark.containers
def test_a_failed_up_leaves_a_running_cluster_as_it_was(machine: Machine) -> None:
    machine.up().ok()
    before, settings = set(machine.pids()), (machine.data / "cluster.json").read_text()
    machine.host.run("mount", "--bind", "/bin/false", "/usr/bin/containerd").ok()
    failed(machine.up(nodes=1), "containerd-node-1 keeps ending", "containerd-node-1.log")
    assert set(machine.pids()) == before and (machine.data / "cluster.json").read_text() == settings
    assert "lb-default" not in machine.host.run("ip", "link").out
    assert str(machine.data) not in machine.host.run("cat", "/proc/self/mountinfo").out
    machine.create("alive")
