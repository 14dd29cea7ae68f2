"""Certificates and kubeconfigs of nodes that this machine starts itself: issued from the cluster's own authority."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

from longboat.cli import files
from longboat.cli.cluster import Cluster
from longboat.network.overlay.addresses import host_address

if TYPE_CHECKING:
    from longboat.apiserver.pki import Pki


def node(cluster: Cluster, name: str, address: str) -> None:
    """A node's kubeconfig, and the certificate it serves its own port with."""
    _write(cluster, name, f"https://{host_address(cluster.node_cidr)}:{cluster.api_port}", [name, address])


def simulated(cluster: Cluster) -> None:
    """The same for the one agent that plays all simulated nodes."""
    names = [f"simulated-{number}" for number in range(1, cluster.simulated_nodes + 1)]
    _write(cluster, "simulated", cluster.url, [*names, "localhost", "127.0.0.1"])


def _write(cluster: Cluster, name: str, server: str, hosts: list[str]) -> None:
    """`kubelet.kubeconfig`, and serving.crt, serving.key and ca.crt in `pki/`, in the node's directory."""
    pki = _pki(cluster)
    client = pki.client(f"kubelet-{name}", f"system:node:{name}", ("system:nodes",))
    serving = pki.serving(hosts, name=f"kubelet-serving-{name}")
    place = files.directory(cluster.node_dir(name) / "pki")
    files.write(place / "serving.crt", serving.certificate.read_text())
    files.write(place / "serving.key", serving.key.read_text())
    files.write(place / "ca.crt", pki.ca.pair.certificate.read_text())
    user = {"client-certificate-data": _encoded(client.certificate), "client-key-data": _encoded(client.key)}
    server_entry = {"server": server, "certificate-authority-data": _encoded(pki.ca.pair.certificate)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "longboat", "cluster": server_entry}],
        "users": [{"name": "node", "user": user}],
        "contexts": [{"name": "node", "context": {"cluster": "longboat", "user": "node"}}],
        "current-context": "node",
    }
    files.write(cluster.node_dir(name) / "kubelet.kubeconfig", json.dumps(config, indent=1) + "\n")


def _encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def _pki(cluster: Cluster) -> Pki:
    from longboat.aio.clock import SystemClock
    from longboat.apiserver.pki import Pki

    return Pki(cluster.root / "pki", SystemClock())
