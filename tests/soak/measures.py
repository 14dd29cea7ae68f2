"""What a cluster takes: memory by process, and how many things of the kernel and of the disk it holds."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from soak.site import Site

GROWTH = 1.5  # of the memory of one process
SMALL = 8 << 20  # bytes of growth that are no matter, whatever they are a multiple of
SLACK = 12  # things of a kind more than at first: a Job's pod is just ending, a rollout has left a ReplicaSet
DESCRIPTORS = 40  # likewise of what belongs to connections, which come and go
NODE = re.compile(r"-?node-\d$")


@dataclass(frozen=True)
class Measured:
    memory: Mapping[str, int]  # bytes (proportional set size), by process
    ages: Mapping[str, float]  # seconds since it began, likewise
    counts: Mapping[str, int]  # things, by place and kind; both nodes together: pods move


def measure(site: Site) -> Measured:
    processes = site.status()["processes"]
    counts: Counter[str] = Counter()
    for process in processes:
        place, kind = Path(f"/proc/{process['pid']}"), NODE.sub("", process["name"]) or "agent"
        counts[f"{kind}: descriptors"] += len(os.listdir(place / "fd"))
        counts[f"{kind}: threads"] += len(os.listdir(place / "task"))
    for node in ("node-1", "node-2"):
        for what, number in _held(site, node):
            counts[f"nodes: {what}"] += number
    data = site.host.seen(site.host.data)
    counts["files of the control plane"] = sum(_files(data, without=("nodes", "logs")))
    counts.update(dict(_objects(site)))
    return Measured(
        {process["name"]: process["pss_bytes"] for process in processes},
        {process["name"]: _age(process["pid"]) for process in processes},
        counts,
    )


def _held(site: Site, node: str) -> Iterator[tuple[str, int]]:
    """What the node's namespaces and cgroups hold."""
    agent = site.process(node)
    yield "mounts", len(Path(f"/proc/{agent}/mountinfo").read_text().splitlines())
    yield "network namespaces", len(os.listdir(f"/proc/{agent}/root/run/netns"))
    yield "links", len(site.in_node(node, "ip", "-o", "link").quiet().splitlines())
    yield "nftables lines", len(site.in_node(node, "nft", "list", "ruleset").ok().out.splitlines())
    yield "open flows", site.in_node(node, "conntrack", "-L").ok().out.count("ESTABLISHED")
    yield "cgroups", sum(1 for _ in _cgroups(site, node))
    yield "shims", _shims(site.process(f"containerd-{node}"))
    root = Path(f"/proc/{agent}/root")
    yield "kubelet's files", sum(_files(root / "var/lib/kubelet", without=("volumes", "plugins")))
    yield "pod logs", len(os.listdir(root / "var/log/pods"))
    yield "addresses given", sum(_files(root / "var/lib/cni"))
    snapshots = root / str(site.host.data).lstrip("/") / f"nodes/{node}/containerd/root"
    yield "snapshots", len(os.listdir(snapshots / "io.containerd.snapshotter.v1.overlayfs/snapshots"))


def _objects(site: Site) -> Iterator[tuple[str, int]]:
    kinds = (
        "pods,replicasets,controllerrevisions,endpointslices,secrets,persistentvolumes,leases,jobs,volumeattachments"
    )
    listed = site.kubectl("get", kinds, "-A", "-o", "name").ok().out.split()
    for kind in kinds.split(","):
        yield f"objects: {kind}", sum(1 for each in listed if each.partition("/")[0].partition(".")[0] + "s" == kind)


def _files(place: Path, without: tuple[str, ...] = ()) -> Iterator[int]:
    for _, directories, files in os.walk(place):
        directories[:] = [name for name in directories if name not in without]
        yield len(files)


def _cgroups(site: Site, node: str) -> Iterator[Path]:
    """Of one hierarchy: where there are many they are alike."""
    place = Path(site.cgroup) / node
    for top in (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")):
        if (top / place).exists():
            yield from (Path(directory) for directory, _, _ in os.walk(top / place))
            return


def _shims(containerd: int) -> int:
    """How many shims live in the mount namespace of a node's containerd."""
    wanted = os.stat(f"/proc/{containerd}/ns/mnt").st_ino
    count = 0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            named = (entry / "comm").read_text().startswith("containerd-shim")
            count += named and os.stat(entry / "ns/mnt").st_ino == wanted
        except OSError:
            continue  # it has just ended
    return count


def _age(pid: int) -> float:
    began = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return float(Path("/proc/uptime").read_text().split()[0]) - began


def table(first: Measured, last: Measured) -> str:
    """Both beside each other."""
    lines = [f"{'process':<22}{'MB then':>9}{'MB now':>9}{'factor':>8}{'age then':>10}{'age now':>9}"]
    for name, now in last.memory.items():
        was = first.memory.get(name, 0)
        ages = f"{first.ages.get(name, 0):9.0f}s{last.ages[name]:8.0f}s"
        lines.append(f"{name:<22}{was / 1e6:9.1f}{now / 1e6:9.1f}{now / max(was, 1):8.2f} {ages}")
    lines.append(f"{'what':<40}{'then':>8}{'now':>8}")
    lines += [f"{what:<40}{first.counts.get(what, 0):8}{number:8}" for what, number in last.counts.items()]
    return "\n".join(lines)


def grown(first: Measured, last: Measured) -> list[str]:
    """What has become more than it may."""
    problems = []
    for name, now in last.memory.items():
        was = first.memory[name]
        if now > GROWTH * was and now - was > SMALL:
            problems.append(f"{name} has grown from {was / 1e6:.1f} to {now / 1e6:.1f} MB")
    for what, count in last.counts.items():
        if count > first.counts[what] + _slack(what, first.counts[what]):
            problems.append(f"{what}: {count} instead of {first.counts[what]}")
    return problems


def _slack(what: str, was: int) -> int:
    return DESCRIPTORS if what.endswith(("descriptors", "threads", "flows")) else SLACK + was // 10


def tracebacks(site: Site, known: dict[Path, int]) -> list[str]:
    """Those that have come into the logs since the last look; `known` remembers how far that came."""
    problems: list[str] = []
    for path in sorted(site.host.seen(site.host.data / "logs").glob("*.log")):
        size = path.stat().st_size
        begin = known.get(path, 0) if size >= known.get(path, 0) else 0
        with path.open("rb") as log:
            log.seek(begin)
            text = log.read().decode(errors="replace")
        known[path] = size
        lines = text.splitlines()
        for number, line in enumerate(lines):
            if "Traceback" in line:
                problems.append(f"{path.name}:\n" + "\n".join(lines[max(0, number - 2) : number + 40]))
    return problems
