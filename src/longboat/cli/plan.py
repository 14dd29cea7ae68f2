"""Which processes a cluster consists of: a pure function of its settings."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from longboat.api.families import in_url, split
from longboat.cli import shared_disk
from longboat.cli.cluster import Cluster
from longboat.network.overlay.addresses import IMAGINED_POOL, host_address, load_balancer_pool, node_addresses


@dataclass(frozen=True)
class Process:
    """One process the supervisor keeps running. `argv` is its own command line, as /proc shows it."""

    name: str
    argv: tuple[str, ...]
    namespaces: str = ""  # directory with `net` and `mnt` to enter first
    reaches_out: bool = False  # into the world, by the machine's proxies

    @property
    def spawn_argv(self) -> tuple[str, ...]:
        """The command line to execute: nsenter becomes the process itself once it has entered."""
        if not self.namespaces:
            return self.argv
        return ("nsenter", f"--net={self.namespaces}/net", f"--mount={self.namespaces}/mnt", "--", *self.argv)


def longboat(command: str, *flags: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "longboat.cli.main", command, *flags)


def supervisor(cluster: Cluster) -> Process:
    # It hands the way into the world on to those that need it.
    command = longboat("supervisor", "--data-dir", cluster.data_dir)
    return Process("supervisor", command, reaches_out=True)


def plan(cluster: Cluster) -> tuple[Process, ...]:
    """Every process but the supervisor, in the order in which they start."""
    own = () if cluster.in_etcd else (_store(cluster),)
    return (*own, _control_plane(cluster), *_nodes(cluster), *_simulated(cluster))


def _store(cluster: Cluster) -> Process:
    flags = ("--database", str(cluster.root / "state.db"), "--socket", str(cluster.run_dir / "store.sock"))
    return Process("store", (sys.executable, "-m", "longboat.storage.sqlite.server", *flags))


def _control_plane(cluster: Cluster) -> Process:
    flags = ["--data-dir", cluster.data_dir, "--listen", f"127.0.0.1:{cluster.api_port}"]
    if not cluster.in_etcd:
        flags += ["--store-socket", str(cluster.run_dir / "store.sock")]
    flags += ["--service-cidr", cluster.service_cidr, "--pod-cidr", cluster.pod_cidr]
    if not cluster.warn_unenforced:
        flags.append("--no-warn-unenforced")
    for flag, names in (("enable", cluster.enabled_plugins), ("disable", cluster.disabled_plugins)):
        if names:
            flags += [f"--{flag}-admission-plugins", names]
    if cluster.admission_config:
        flags += ["--admission-control-config-file", cluster.admission_config]
    flags += audit_flags(cluster)
    if cluster.simulated_nodes:
        flags += ["--simulated-node-port", str(cluster.simulated_port)]
    if cluster.node_cidr:
        leg = host_address(split(cluster.node_cidr)[0])
        flags += ["--listen", f"{in_url(leg)}:{cluster.api_port}", "--advertise", leg]
        flags += ["--node-cidr", cluster.node_cidr]
        flags += ["--load-balancer-pool", ",".join(map(load_balancer_pool, split(cluster.node_cidr)))]
    elif cluster.simulated_nodes:
        flags += ["--load-balancer-pool", IMAGINED_POOL]
    return Process("control-plane", longboat("server", *flags))


def audit_flags(cluster: Cluster) -> list[str]:
    flags = []
    for name, value in cluster.audit.items():
        if value in ("True", "False"):
            flags.append(f"--{'' if value == 'True' else 'no-'}{name}")
        else:
            flags += [f"--{name}", value]
    return flags


def _nodes(cluster: Cluster) -> list[Process]:
    processes = []
    for number, node in enumerate(cluster.node_names, start=1):
        place = cluster.node_dir(node)
        namespaces = str(cluster.run_dir / "ns" / node)
        runtime = ("containerd", "--config", str(place / "containerd" / "config.toml"))
        agent = longboat(
            "agent",
            *("--kubeconfig", str(place / "kubelet.kubeconfig"), "--node-name", node),
            *("--node-ip", ",".join(node_addresses(cluster.node_cidr, number)), "--data-dir", str(place)),
            *("--container-runtime-endpoint", "unix:///run/containerd/containerd.sock"),
            *("--cgroup-root", f"/{cluster.cgroup}/{node}"),
            *("--node-cidr", cluster.node_cidr, "--pod-cidr", cluster.pod_cidr, "--service-cidr", cluster.service_cidr),
            *("--eviction-hard", cluster.eviction_hard or shared_disk.thresholds(cluster.root)),
            *("--neighbours-dir", str(cluster.run_dir / "neighbours")),
            *(("--allowed-unsafe-sysctls", cluster.unsafe_sysctls) if cluster.unsafe_sysctls else ()),
            *(("--seccomp-default",) if cluster.seccomp_default else ()),
            *(("--pod-max-pids", str(cluster.pod_max_pids)) if cluster.pod_max_pids else ()),
        )
        processes.append(Process(f"containerd-{node}", runtime, namespaces, reaches_out=True))
        processes.append(Process(node, agent, namespaces))
    return processes


def _simulated(cluster: Cluster) -> list[Process]:
    if not cluster.simulated_nodes:
        return []
    place = cluster.node_dir("simulated")
    flags = ("--kubeconfig", str(place / "kubelet.kubeconfig"), "--data-dir", str(place), "--node-name", "simulated")
    played = ("--simulated", str(cluster.simulated_nodes), "--port", str(cluster.simulated_port))
    return [Process("simulated-nodes", longboat("agent", *flags, *played))]
