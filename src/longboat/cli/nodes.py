"""Real nodes of a local cluster: namespaces, cables, directories and credentials; and how all of it goes again."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

from longboat.api.families import IPV6, of_family
from longboat.assembly import files, store_record
from longboat.assembly.node import containerd
from longboat.cli import alive, credentials, image_import, registry, startup
from longboat.cli.cluster import Cluster
from longboat.cli.errors import Failure
from longboat.network.nftables import Nftables, NftError
from longboat.network.overlay import bridge, egress, namespaces
from longboat.network.overlay.addresses import node_addresses
from longboat.network.overlay.loopback import bring_up
from longboat.network.overlay.node import LocalNode, machine_resolv_conf, resolv_conf

NODE_RANGES = [f"172.{second}.{third}.0/24" for second in (30, 29, 28) for third in range(0, 256, 8)]
POD_RANGES = [f"10.{second}.0.0/16" for second in range(244, 254)]
SERVICE_RANGES = [f"10.{second}.0.0/16" for second in range(96, 106)]
CGROUPS, IPV6_SETTINGS = Path("/sys/fs/cgroup"), Path("/proc/sys/net/ipv6/conf")
FORWARDING, FORWARDING6 = "ip_forward", "ip6_forward"  # records of what the machine did before, in run/
MODULES = {  # what each gives a node, and where it shows
    "br_netfilter": ("replies between pods of one node pass connection tracking", Path("/proc/sys/net/bridge")),
    "nf_conntrack": ("connections to Services are tracked", Path("/proc/sys/net/netfilter")),
    "overlay": ("containers get their file systems", None),
}


def prepare(cluster: Cluster, undo: ExitStack) -> Cluster:
    """Everything nodes need before their processes start. Returns the cluster with its ranges chosen.

    Fine on a cluster whose nodes exist, all or in part. Raises Failure; what was made is on `undo`.
    """
    _load_modules()
    bring_up()
    files.directory(cluster.run_dir)
    cluster = _with_ranges(cluster)
    try:
        if not (cluster.run_dir / "ns").exists():
            undo.callback(namespaces.delete_parent, cluster.run_dir / "ns")
        if bridge.ensure_bridge(cluster.name, cluster.node_cidr):
            undo.callback(_dismantle_network, cluster)
        _set_egress(cluster)
        for number, node in enumerate(cluster.node_names, start=1):
            _prepare_node(cluster, number, node, undo)
        bridge.route_cluster(cluster.node_cidr, cluster.pod_cidr, cluster.service_cidr)
    except (OSError, RuntimeError, NftError) as error:
        raise Failure(f"cannot prepare the nodes' network: {error}", "Longboat needs root and namespaces") from error
    return cluster


def start_up(cluster: Cluster, seconds: float) -> None:
    """Wait for each node's containerd and give it the pause image. Raises Failure."""
    missing = list(cluster.node_names)
    problem = Failure("containerd did not start")
    before = startup.restarts(cluster)
    for _ in startup.ticks(seconds):
        for node in list(missing):
            if not _socket(cluster, node).exists():
                continue
            try:
                image_import.ensure_pause(cluster, node)
                missing.remove(node)
            except Failure as failure:
                problem = failure  # it is still starting
        if not missing:
            return
        startup.raise_if_crashing(cluster, before)
        time.sleep(0.05)
    raise Failure(problem.problem, f"Its log: {cluster.logs_dir / f'containerd-{missing[0]}.log'}")


def dismantle(cluster: Cluster) -> None:
    """Stop the containers of all nodes; remove namespaces, cables, cgroups, routes and the egress rules."""
    for node in cluster.node_names:
        _dismantle_node(cluster, node)
    namespaces.delete_parent(cluster.run_dir / "ns")
    _detach_volumes(cluster)
    if cluster.node_cidr:
        _dismantle_network(cluster)
    _remove_cgroups(cluster.cgroup)
    for top in [CGROUPS, *CGROUPS.iterdir()]:
        with suppress(OSError):  # there is none, or another cluster is in it
            (top / "longboat").rmdir()


def _detach_volumes(cluster: Cluster) -> None:
    """Block devices that outlive the pods which used them."""
    from longboat.node.csi.local import loop

    loop.detach_beneath(cluster.root / "nodes")


def _load_modules() -> None:
    """Make sure of the kernel's parts. Raises Failure naming one that this machine does not have."""
    for module, (reason, shown) in MODULES.items():
        there = shown.exists() if shown else module in Path("/proc/filesystems").read_text()
        if there:
            continue
        modprobe = shutil.which("modprobe", path="/usr/sbin:/sbin:/usr/bin")
        done = modprobe and subprocess.run([modprobe, module], capture_output=True, check=False).returncode == 0
        if not done:
            raise Failure(f"the kernel has no {module}", f"With it {reason}. As root on the machine: modprobe {module}")


def _with_ranges(cluster: Cluster) -> Cluster:
    """The cluster with ranges that overlap nothing on this machine; those chosen earlier are kept."""
    if cluster.node_cidr:
        return cluster
    used = bridge.used_ranges(but=bridge.bridge_name(cluster.name))
    try:
        chosen = replace(
            cluster,
            node_cidr=bridge.free_range(NODE_RANGES, used),
            pod_cidr=bridge.free_range([cluster.pod_cidr, *POD_RANGES], used),
        )
        # Services that exist have addresses from the old range: it stays once the cluster has run.
        if (cluster.root / "state.db").exists() or store_record.file(cluster.root).exists():
            return chosen
        chosen = replace(chosen, service_cidr=bridge.free_range([cluster.service_cidr, *SERVICE_RANGES], used))
    except LookupError as error:
        raise Failure(f"no free address range for the cluster: {error}") from error
    return with_second_family(chosen, secrets.token_hex(5)) if has_ipv6() and _translates_ipv6() else chosen


def with_second_family(cluster: Cluster, site: str) -> Cluster:
    """With IPv6 ranges besides, of a site of its own: ten hexadecimal digits that nobody else has chosen (RFC 4193)."""
    prefix = f"fd{site[:2]}:{site[2:6]}:{site[6:]}"
    nodes, services, pods = map(ip_network, (f"{prefix}::/64", f"{prefix}:1::/112", f"{prefix}:100::/56"))
    return replace(
        cluster,
        node_cidr=f"{cluster.node_cidr},{nodes}",
        service_cidr=f"{cluster.service_cidr},{services}",
        pod_cidr=f"{cluster.pod_cidr},{pods}",
    )


def has_ipv6() -> bool:
    """Whether this machine would speak IPv6: not if the kernel has none, or has been told to have none."""
    switches = [IPV6_SETTINGS / each / "disable_ipv6" for each in ("all", "default")]
    return all(switch.exists() and switch.read_text().strip() == "0" for switch in switches)


def _translates_ipv6() -> bool:
    """Whether the kernel can do for IPv6 what Services need of it: it is asked for a moment."""
    table = "ip6 longboat-probe"
    chain = f"add chain {table} look {{ type nat hook prerouting priority dstnat; }}"
    nftables = Nftables()
    try:
        nftables.run(f"add table {table}\n{chain}\ndelete table {table}\n")
    except NftError:
        return False
    finally:
        nftables.close()
    return True


def _prepare_node(cluster: Cluster, number: int, node: str, undo: ExitStack) -> None:
    place = files.directory(cluster.node_dir(node))
    containerd.write_config(place)
    credentials.node(cluster, node, node_addresses(cluster.node_cidr, number))
    local = LocalNode(
        name=node,
        place=place,
        addresses=node_addresses(cluster.node_cidr, number),
        node_cidr=cluster.node_cidr,
        pod_cidr=cluster.pod_cidr,
        service_cidr=cluster.service_cidr,
        gateway=cluster.egress,
        resolv=resolv_conf(machine_resolv_conf(), egress=cluster.egress),
    )
    pins = cluster.run_dir / "ns" / node
    if namespaces.exists(pins):
        namespaces.run_inside(pins, local.configure)
        return
    undo.callback(_dismantle_node, cluster, node)
    namespaces.create(pins, lambda pid: bridge.connect(cluster.name, node, pid), local.configure)


def _set_egress(cluster: Cluster) -> None:
    nftables = Nftables()
    try:
        if cluster.egress:
            egress.forward(cluster.run_dir / FORWARDING)
            if of_family(IPV6, cluster.node_cidr):
                egress.forward6(cluster.run_dir / FORWARDING6)
            nftables.run(egress.ruleset(cluster.name, cluster.node_cidr))
        else:
            nftables.run(egress.removal(cluster.name, cluster.node_cidr))
            _hand_over_forwarding(cluster)
    finally:
        nftables.close()


def _dismantle_node(cluster: Cluster, node: str) -> None:
    pins = cluster.run_dir / "ns" / node
    if namespaces.exists(pins):
        _kill_inhabitants(pins / "mnt")
    _kill_cgroup(f"{cluster.cgroup}/{node}")
    bridge.disconnect(cluster.name, node)
    namespaces.delete(pins)


def _dismantle_network(cluster: Cluster) -> None:
    bridge.unroute_cluster(cluster.node_cidr, cluster.pod_cidr, cluster.service_cidr)
    bridge.delete_bridge(cluster.name)
    nftables = Nftables()
    try:
        nftables.run(egress.removal(cluster.name, cluster.node_cidr))
    finally:
        nftables.close()
    _hand_over_forwarding(cluster)


def _hand_over_forwarding(cluster: Cluster) -> None:
    """Put forwarding back, unless another cluster still needs it: then that one will, to what we found."""
    others = [other for other in registry.clusters() if other.data_dir != cluster.data_dir]
    for name, restore in ((FORWARDING, egress.restore), (FORWARDING6, egress.restore6)):
        record = cluster.run_dir / name
        heirs = [path for other in others if (path := other.run_dir / name).exists()]
        if record.exists() and heirs:
            heirs[0].write_text(record.read_text())
            record.unlink()
        restore(record)


def _kill_inhabitants(namespace: Path) -> None:
    """End every process in a mount namespace and what these started: containerd's shims and their containers."""
    wanted = os.stat(namespace).st_ino
    parents: dict[int, int] = {}
    doomed: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        pid = int(entry.name)
        try:
            parents[pid] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if os.stat(entry / "ns" / "mnt").st_ino == wanted:
                doomed.add(pid)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended meanwhile, or is none that a node could have started
    while more := {pid for pid, parent in parents.items() if parent in doomed} - doomed:
        doomed |= more
    for pid in doomed:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _cgroup_directories(path: str) -> list[Path]:
    """The cgroup of this path in every hierarchy (v1) or the one (v2), children before parents."""
    tops = [CGROUPS / path, *(top / path for top in CGROUPS.iterdir() if top.is_dir() and not top.is_symlink())]
    return [Path(directory) for top in tops for directory, _, _ in os.walk(top, topdown=False)]


def _kill_cgroup(path: str) -> None:
    """End every process beneath a cgroup: the containers."""
    for _ in startup.ticks(10.0):
        pids = set()
        for directory in _cgroup_directories(path):
            with suppress(OSError):  # it went meanwhile
                pids |= {int(pid) for pid in (directory / "cgroup.procs").read_text().split()}
        if not pids:
            break
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    _remove_cgroups(path)


def _remove_cgroups(path: str) -> None:
    """Delete the cgroups of a path; one that a dying process still holds is tried again for a while."""
    for _ in startup.ticks(5.0):
        left = _cgroup_directories(path)
        if not left:
            return
        for directory in left:
            with suppress(OSError):  # busy: next round
                directory.rmdir()


def _socket(cluster: Cluster, node: str) -> Path:
    """The node's containerd socket as this namespace can see it: through the containerd process's root."""
    running = alive.read(cluster.run_dir, f"containerd-{node}")
    return Path(f"/proc/{running.pid if running else 0}/root{containerd.SOCKET}")
