"""A node's CNI configuration, from its share of the pod range. Pure, but for `write`."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from longboat.network.families import FAMILIES, family
from longboat.network.overlay.addresses import last_pod, nth, size

FILE = "10-longboat.conflist"
MODE = 0o600  # CIS Kubernetes Benchmark 1.1.9
BRIDGE, NETWORK = "cni0", "longboat"


def conflist(pod_ranges: Sequence[str], data_dir: str, mtu: int) -> str:
    """The network list: a bridge with a host-local address from each of `pod_ranges`, and loopback.

    No portmap (host ports are ours) and no masquerading (the proxy's). Address leases live in `data_dir`.
    """
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "mtu": mtu,
        "ipam": {
            "type": "host-local",
            "dataDir": data_dir,
            "ranges": [[_range(cidr)] for cidr in pod_ranges],
            "routes": [{"dst": f"{each.anywhere}/0"} for each in FAMILIES if each in map(family, pod_ranges)],
        },
    }
    network = {"cniVersion": "1.0.0", "name": NETWORK, "plugins": [bridge, {"type": "loopback"}]}
    return json.dumps(network, indent=1) + "\n"


def _range(cidr: str) -> dict[str, Any]:
    last = last_pod(cidr)
    return {"subnet": cidr} if last == size(cidr) - 2 else {"subnet": cidr, "rangeEnd": nth(cidr, last)}


def leases(data_dir: Path) -> None:
    """The directory that host-local keeps its leases in, its owner's alone: the plugin writes them for all to read."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    data_dir.chmod(0o700)


def write(conf_dir: Path, text: str) -> bool:
    """Put the configuration in place in one step; containerd sees the rename. True if it was another before."""
    path = conf_dir / FILE
    if path.exists() and path.read_text() == text and path.stat().st_mode & 0o777 == MODE:
        return False
    conf_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = conf_dir / f".{FILE}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE)
    with open(descriptor, "w") as file:
        os.fchmod(descriptor, MODE)
        file.write(text)
    os.replace(temporary, path)
    return True
