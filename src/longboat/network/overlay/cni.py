"""A node's CNI configuration, from its share of the pod range. Pure, but for `write`."""

from __future__ import annotations

import json
import os
from pathlib import Path

FILE = "10-longboat.conflist"
BRIDGE = "cni0"


def conflist(pod_cidr: str, data_dir: str, mtu: int) -> str:
    """The network list: a bridge with host-local addresses from `pod_cidr`, and loopback.

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
            "ranges": [[{"subnet": pod_cidr}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    network = {"cniVersion": "1.0.0", "name": "longboat", "plugins": [bridge, {"type": "loopback"}]}
    return json.dumps(network, indent=1) + "\n"


def write(conf_dir: Path, text: str) -> bool:
    """Put the configuration in place in one step; containerd sees the rename. True if it was another before."""
    path = conf_dir / FILE
    if path.exists() and path.read_text() == text:
        return False
    conf_dir.mkdir(parents=True, exist_ok=True)
    temporary = conf_dir / f".{FILE}"
    temporary.write_text(text)
    os.replace(temporary, path)
    return True
