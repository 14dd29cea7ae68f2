"""A cluster of this machine: what `cluster.json` in its data directory says."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from zlib import crc32

from longboat.assembly import files
from longboat.cli import person
from longboat.cli.errors import Failure

FORMAT = 1


@dataclass(frozen=True)
class Cluster:
    """Settings chosen once and kept. Paths are absolute; ranges are CIDRs, two families' with a comma between."""

    name: str
    data_dir: str
    api_port: int
    nodes: int = 0
    simulated_nodes: int = 0
    simulated_port: int = 0  # of the agent that plays them, on 127.0.0.1; 0 until there are any
    egress: bool = True
    warn_unenforced: bool = True
    enabled_plugins: str = ""  # admission plugins, with commas between
    disabled_plugins: str = ""
    admission_config: str = ""  # an AdmissionConfiguration's file
    audit: dict[str, str] = field(default_factory=dict)  # flags of its API server, without dashes in front: values
    unsafe_sysctls: str = ""  # kernel parameters that pods may set beyond the safe ones, with commas between
    seccomp_default: bool = False  # as it was before there was a choice; `up` gives new clusters what is safer
    pod_max_pids: int = 0  # processes and threads of each pod; 0 for no limit, likewise
    eviction_hard: str = ""  # what nodes must have left, with commas between; "" for what suits the disk
    node_cidr: str = ""  # the bridge's range; "" until there is a real node
    pod_cidr: str = "10.244.0.0/16"
    service_cidr: str = "10.96.0.0/16"
    kubeconfig: str = ""  # where the context was written
    format: int = FORMAT

    @property
    def root(self) -> Path:
        return Path(self.data_dir)

    @property
    def in_etcd(self) -> bool:
        """Its state is there, and no store process of its own runs."""
        return self.audit.get("store", "").startswith("etcd://")

    @property
    def run_dir(self) -> Path:
        return self.root / "run"

    @property
    def logs_dir(self) -> Path:
        return self.root / "logs"

    @property
    def cgroup(self) -> str:
        """The cgroup of all its nodes. Clusters of one name may exist side by side, in namespaces: hence the place."""
        return f"longboat/{self.name}-{crc32(self.data_dir.encode()):08x}"

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.api_port}"

    @property
    def admin_kubeconfig(self) -> Path:
        return self.root / "admin.kubeconfig"

    @property
    def context(self) -> str:
        """The kubectl context: `longboat` for the default cluster, else `longboat-<name>`."""
        return "longboat" if self.name == "default" else f"longboat-{self.name}"

    @property
    def node_names(self) -> tuple[str, ...]:
        """Real nodes, in the order they were added."""
        return tuple(f"node-{i}" for i in range(1, self.nodes + 1))

    def node_dir(self, node: str) -> Path:
        return self.root / "nodes" / node

    def save(self) -> None:
        files.write(self.root / "cluster.json", json.dumps(asdict(self), indent=1) + "\n")


def load(data_dir: Path) -> Cluster | None:
    """The cluster in this directory, if there is one. Raises Failure where it cannot be read."""
    try:
        data = json.loads((data_dir / "cluster.json").read_text())
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise Failure(
            f"cannot read {data_dir}/cluster.json: {error.strerror}", "Run as its owner (sudo?), or: --data-dir DIR"
        ) from error
    except NotADirectoryError as error:
        raise Failure(f"{data_dir} is not a directory", "Name one: --data-dir DIR") from error
    except (OSError, ValueError) as error:
        raise Failure(
            f"cannot read {data_dir}/cluster.json: {error}",
            f"Restore it from a backup, or delete {data_dir} to start afresh",
        ) from error
    if data.get("format", 0) > FORMAT:
        raise Failure(f"{data_dir} was written by a newer Longboat", "Upgrade Longboat: pip install --upgrade longboat")
    known = {f.name for f in fields(Cluster)}
    return Cluster(**{key: value for key, value in data.items() if key in known} | {"data_dir": str(data_dir)})


def default_data_dir(name: str) -> Path:
    """/var/lib/longboat/<name> for root, else beneath the user's data home."""
    if os.geteuid() == 0:
        return Path("/var/lib/longboat") / name
    base = os.environ.get("XDG_DATA_HOME") or person.home() / ".local" / "share"
    return Path(base) / "longboat" / name
