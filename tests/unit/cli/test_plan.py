"""Which processes a cluster has."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from longboat.cli import alive, up
from longboat.cli.alive import Running
from longboat.cli.cluster import Cluster, load
from longboat.cli.errors import Failure, Usage
from longboat.cli.plan import plan
from longboat.cli.supervisor import FIRST_DELAY, HEALTHY_AFTER, LONGEST_DELAY, next_delay

SMALL = Cluster("default", "/data", 6443)
BIG = replace(SMALL, nodes=2, node_cidr="172.30.0.0/24", simulated_nodes=3, simulated_port=7000)


def names(cluster: Cluster) -> list[str]:
    return [process.name for process in plan(cluster)]


def test_a_control_plane_alone_is_two_processes() -> None:
    assert names(SMALL) == ["store", "control-plane"]


def test_a_cluster_in_etcd_has_no_store_of_its_own() -> None:
    cluster = replace(SMALL, audit={"store": "etcd://a:1/x", "store-ca": "/ca"})
    (server,) = plan(cluster)
    assert server.name == "control-plane"
    assert "--store-socket" not in server.argv
    assert " --store etcd://a:1/x --store-ca /ca" in " ".join(server.argv)


@pytest.mark.parametrize("store", ["sqlite:///x", "etcd://", "memory://"])
def test_another_store_of_a_local_cluster_is_an_etcd(store: str, tmp_path: Path) -> None:
    options = up.Options(data_dir=str(tmp_path), store=store)
    with pytest.raises(Usage, match="--store"):
        up.settle(options, tmp_path, None)


def test_each_node_has_its_containerd_and_agent_in_its_namespaces() -> None:
    assert names(BIG)[2:] == ["containerd-node-1", "node-1", "containerd-node-2", "node-2", "simulated-nodes"]
    agent = next(process for process in plan(BIG) if process.name == "node-2")
    assert agent.spawn_argv[:4] == ("nsenter", "--net=/data/run/ns/node-2/net", "--mount=/data/run/ns/node-2/mnt", "--")
    assert agent.spawn_argv[4:] == agent.argv
    assert "172.30.0.12" in agent.argv


def test_the_api_also_listens_where_nodes_reach_it() -> None:
    server = next(process for process in plan(BIG) if process.name == "control-plane").argv
    assert [server[i + 1] for i, word in enumerate(server) if word == "--listen"] == [
        "127.0.0.1:6443",
        "172.30.0.1:6443",
    ]


def test_the_api_is_told_where_nodes_are_and_where_the_simulated_ones() -> None:
    processes = {process.name: process.argv for process in plan(BIG)}
    server, agent = processes["control-plane"], processes["simulated-nodes"]
    assert server[server.index("--node-cidr") + 1] == "172.30.0.0/24"
    assert server[server.index("--simulated-node-port") + 1] == agent[agent.index("--port") + 1] == "7000"
    assert "--simulated-node-port" not in {process.name: process.argv for process in plan(SMALL)}["control-plane"]


def test_load_balancers_have_addresses_where_nodes_are_simulated() -> None:
    """Before, all had the nodes' own, which is loopback: one Service for each port."""
    played = replace(SMALL, simulated_nodes=2, simulated_port=7000)
    for cluster, pool in ((played, "198.51.100.0/24"), (BIG, "172.30.0.224/27"), (SMALL, None)):
        server = next(process.argv for process in plan(cluster) if process.name == "control-plane")
        found = dict(zip(server, server[1:], strict=False)).get("--load-balancer-pool")
        assert found == pool


def test_the_simulated_nodes_port_is_chosen_once(tmp_path: Path) -> None:
    chosen = up.settle(up.Options(nodes=0, simulated_nodes=1), tmp_path, None)
    assert chosen.simulated_port not in (0, chosen.api_port)
    assert up.settle(up.Options(simulated_nodes=2), tmp_path, chosen).simulated_port == chosen.simulated_port
    before_there_was_one = replace(chosen, simulated_port=0)
    assert up.settle(up.Options(), tmp_path, before_there_was_one).simulated_port
    assert not up.settle(up.Options(nodes=0), tmp_path, None).simulated_port


def test_a_second_family_is_passed_on() -> None:
    both = replace(
        SMALL, nodes=1, node_cidr="172.30.0.0/24,fd00:1::/64", pod_cidr="10.244.0.0/16,fd00:2::/56",
        service_cidr="fd00:3::/112,10.96.0.0/16",
    )  # fmt: skip
    processes = {process.name: process.argv for process in plan(both)}
    agent, server = processes["node-1"], processes["control-plane"]
    assert agent[agent.index("--node-ip") + 1] == "172.30.0.11,fd00:1::b"
    for argv in (agent, server):
        assert argv[argv.index("--pod-cidr") + 1] == both.pod_cidr
        assert argv[argv.index("--service-cidr") + 1] == both.service_cidr
    pools = server[server.index("--load-balancer-pool") + 1]
    assert pools == "172.30.0.224/27,fd00:1::ffff:ffff:ffff:ffe0/123"
    assert server[server.index("--advertise") + 1] == "172.30.0.1"
    turned = replace(both, node_cidr="fd00:1::/64,172.30.0.0/24")
    server = next(process.argv for process in plan(turned) if process.name == "control-plane")
    assert "[fd00:1::1]:6443" in server and server[server.index("--advertise") + 1] == "fd00:1::1"


def test_settings_are_kept_and_nodes_only_added(tmp_path: Path) -> None:
    before = replace(BIG, data_dir=str(tmp_path), egress=False)
    before.save()
    assert load(tmp_path) == before
    assert up.settle(up.Options(), tmp_path, before) == before
    assert up.settle(up.Options(nodes=1), tmp_path, before).nodes == 2
    assert up.settle(up.Options(nodes=4), tmp_path, before).nodes == 4
    assert up.settle(up.Options(), tmp_path, None).nodes == 1
    with pytest.raises(Usage):
        up.settle(up.Options(nodes=-1), tmp_path, None)


def test_kernel_parameters_that_pods_may_set_are_kept_and_told_to_nodes(tmp_path: Path) -> None:
    chosen = up.settle(up.Options(allowed_unsafe_sysctls=["net.core.*", "kernel/msgmax"]), tmp_path, None)
    assert chosen.unsafe_sysctls == "net.core.*,kernel.msgmax"
    assert up.settle(up.Options(), tmp_path, chosen) == chosen
    argv = next(
        process for process in plan(replace(chosen, node_cidr="172.30.0.0/24")) if process.name == "node-1"
    ).argv
    assert argv[argv.index("--allowed-unsafe-sysctls") + 1] == chosen.unsafe_sysctls
    with pytest.raises(Usage, match="not known to be namespaced"):
        up.settle(up.Options(allowed_unsafe_sysctls=["vm.swappiness"]), tmp_path, None)


def test_a_cluster_of_a_newer_longboat_is_refused(tmp_path: Path) -> None:
    replace(SMALL, data_dir=str(tmp_path), format=99).save()
    with pytest.raises(Failure, match="newer"):
        load(tmp_path)


def test_restarts_come_slower_until_one_lasts() -> None:
    delays = [0.0]
    for _ in range(20):
        delays.append(next_delay(delays[-1], ran=0.0))
    assert delays[1] == FIRST_DELAY and delays == sorted(delays) and delays[-1] == LONGEST_DELAY
    assert next_delay(LONGEST_DELAY, ran=HEALTHY_AFTER) == FIRST_DELAY


def test_only_the_very_process_counts_as_running(tmp_path: Path) -> None:
    pid = os.posix_spawnp("sleep", ["sleep", "1000"], os.environ)
    try:
        while alive.command_line(pid) != ("sleep", "1000"):
            time.sleep(0.001)
        process = Running("sleeper", pid, alive.start_time(pid) or 0, alive.boot_id(), ("sleep", "1000"))
        process.save(tmp_path)
        assert alive.read(tmp_path, "sleeper") == process and alive.running(tmp_path) == [process]
        assert not alive.is_running(replace(process, started=process.started + 1))
        assert not alive.is_running(replace(process, argv=("sleep", "2000")))
        assert not alive.is_running(replace(process, boot="another"))
        stranger = replace(process, argv=("rm", "-rf"))
        assert alive.stop([stranger], 1.0) == [] and alive.is_running(process)
        assert alive.stop([process], 5.0) == [] and not alive.is_running(process)
    finally:
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


def test_a_record_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text('{"name": "st')
    assert alive.read(tmp_path, "store") is None and alive.recorded(tmp_path) == []
