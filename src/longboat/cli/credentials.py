"""Certificates and kubeconfigs of nodes that this machine starts itself: issued from the cluster's own authority."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longboat.api.families import in_url, split
from longboat.assembly import files
from longboat.cli.cluster import Cluster
from longboat.client.kubeconfig import with_certificate
from longboat.network.overlay.addresses import host_address

if TYPE_CHECKING:
    from longboat.apiserver.pki import Pair, Pki


def node(cluster: Cluster, name: str, addresses: tuple[str, ...]) -> None:
    """A node's kubeconfig, and the certificate it serves its own port with."""
    server = f"https://{in_url(host_address(split(cluster.node_cidr)[0]))}:{cluster.api_port}"
    _write(cluster, name, server, [name, *addresses], f"system:node:{name}", "system:nodes")
    network = _pki(cluster).client(f"network-{name}", f"system:longboat:network:{name}", ("system:longboat:network",))
    _write_kubeconfig(cluster, name, "network.kubeconfig", server, network)


def simulated(cluster: Cluster) -> None:
    """The same for the one agent that plays all simulated nodes."""
    _write(cluster, "simulated", cluster.url, ["localhost", "127.0.0.1"], "system:longboat:simulated-nodes")


def _write(cluster: Cluster, name: str, server: str, hosts: list[str], user: str, *groups: str) -> None:
    """`kubelet.kubeconfig`, and serving.crt, serving.key and ca.crt in `pki/`, in the node's directory."""
    pki = _pki(cluster)
    client = pki.client(f"kubelet-{name}", user, groups)
    serving = pki.kubelet_serving(f"kubelet-serving-{name}", user, groups, hosts)
    place = files.directory(cluster.node_dir(name) / "pki")
    files.write(place / "serving.crt", serving.certificate.read_text())
    files.write(place / "serving.key", serving.key.read_text())
    files.write(place / "ca.crt", pki.ca.pair.certificate.read_text())
    _write_kubeconfig(cluster, name, "kubelet.kubeconfig", server, client)


def _write_kubeconfig(cluster: Cluster, name: str, file: str, server: str, client: Pair) -> None:
    authority = _pki(cluster).ca.pair.certificate.read_text()
    config = with_certificate(server, authority, client.certificate.read_bytes(), client.key.read_bytes())
    files.write(cluster.node_dir(name) / file, config)


def _pki(cluster: Cluster) -> Pki:
    from longboat.aio.clock import SystemClock
    from longboat.apiserver.pki import Pki

    return Pki(cluster.root / "pki", SystemClock())
