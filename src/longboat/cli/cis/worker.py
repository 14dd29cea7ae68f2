"""Section 4: worker nodes. Each control is looked at on every real node of this machine."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from longboat.cli.cis.control import Check, Control, absent, inherent
from longboat.cli.cis.control_plane_files import CHMOD, CHOWN
from longboat.cli.cis.evidence import Evidence, Node, files, listening_in, weak_tls
from longboat.cli.cis.finding import Finding, judged, manual

NO_UNIT = "nodes are started by the cluster's supervisor, out of `cluster.json` (1.1.1), not by a unit file"
NO_CONFIG = "an agent is configured by its command line and environment; it reads no configuration file"


def _each(look: Callable[[Evidence, Node], Finding]) -> Check:
    return lambda evidence: evidence.of_nodes(lambda node: look(evidence, node))


def _private(paths: Callable[[Node], Iterable[Path]], most: int = 0o600) -> Check:
    return _each(lambda evidence, node: evidence.private(paths(node), most))


def _owned(paths: Callable[[Node], Iterable[Path]]) -> Check:
    return _each(lambda evidence, node: evidence.owned(paths(node)))


def _network(node: Node) -> list[Path]:
    return files(node.place / "network.kubeconfig")


def _kubelet(node: Node) -> list[Path]:
    return files(node.place / "kubelet.kubeconfig")


def _authority(node: Node) -> list[Path]:
    return files(node.place / "pki", pattern="*ca*.crt")


def _anonymous(evidence: Evidence, node: Node) -> Finding:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(node.address, node.options.port, timeout=5, context=context)
    try:
        connection.request("GET", "/pods")
        status = connection.getresponse().status
    except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected) as error:
        return judged(True, f"without a certificate the connection ends: {type(error).__name__}", "")
    except OSError as error:
        return manual(f"{node.name} is not to be reached from here: {error}")
    finally:
        connection.close()
    return judged(status in (401, 403), f"without a certificate /pods is answered {status}",
                  f"without a certificate /pods is answered {status}")  # fmt: skip


def _no_port(port: int, loopback: bool = False) -> Check:
    def look(evidence: Evidence, node: Node) -> Finding:
        found = sorted(place for place in listening_in(node.pid) if place[1] == port)
        open_ones = [place for place in found if not (loopback and place[0] in ("127.0.0.1", "::1"))]
        return judged(not open_ones, f"nobody listens at port {port} of the node", f"somebody listens at {open_ones}")

    return _each(look)


def _ciphers(evidence: Evidence, node: Node) -> Finding:
    try:
        weak = weak_tls(node.address, node.options.port)
    except OSError as error:
        return manual(f"{node.name} is not to be reached from here: {error}")
    return judged(
        not weak, "it refuses ciphers without forward secrecy or authenticated encryption", f"it speaks {weak}"
    )


def set_on_nodes(option: str, flag: str, remedy: str) -> Check:
    """That an option of the agent is on."""

    def look(evidence: Evidence, node: Node) -> Finding:
        value: Any = getattr(node.options, option)
        said = f"{node.name}: {flag}={str(value).lower()}"
        return judged(bool(value), said, f"{said}: {remedy}")

    return _each(look)


CONTROLS = (
    Control(
        "4.1.1",
        "Nobody but its owner reads or writes the agent's unit file",
        f"Not applicable: {NO_UNIT}.",
        absent(NO_UNIT),
    ),
    Control("4.1.2", "The agent's unit file belongs to root", "As 4.1.1.", absent(NO_UNIT)),
    Control(
        "4.1.3",
        "Nobody but its owner reads the proxy's kubeconfig",
        "The proxy, DNS and policies act with `network.kubeconfig`, mode 600.",
        _private(_network),
        CHMOD,
    ),
    Control(
        "4.1.4",
        "The proxy's kubeconfig belongs to root",
        "It belongs to the agent, which is root.",
        _owned(_network),
        CHOWN,
    ),
    Control(
        "4.1.5",
        "Nobody but its owner reads the agent's kubeconfig",
        "`kubelet.kubeconfig` has mode 600.",
        _private(_kubelet),
        CHMOD,
    ),
    Control(
        "4.1.6",
        "The agent's kubeconfig belongs to root",
        "It belongs to the agent, which is root.",
        _owned(_kubelet),
        CHOWN,
    ),
    Control(
        "4.1.7",
        "Nobody but its owner writes the authority that the agent trusts",
        "`pki/ca.crt` has mode 600.",
        _private(_authority, 0o644),
        CHMOD,
    ),
    Control(
        "4.1.8",
        "The authority's file belongs to root",
        "It belongs to the agent, which is root.",
        _owned(_authority),
        CHOWN,
    ),
    Control(
        "4.1.9",
        "Nobody but its owner reads or writes the agent's configuration file",
        f"None: {NO_CONFIG}.",
        absent(NO_CONFIG),
    ),
    Control("4.1.10", "The agent's configuration file belongs to root", "As 4.1.9.", absent(NO_CONFIG)),
    Control(
        "4.2.1",
        "The node's port answers nobody without a credential",
        "Who has neither a certificate of the cluster's authority nor an account's token is answered 401.",
        _each(_anonymous),
    ),
    Control(
        "4.2.2",
        "Not everybody may do everything at the node's port",
        "Clients are held to RBAC (nodes/metrics, nodes/proxy …) by the API server's judgement; no flag.",
        inherent("the node asks the API server for each request; no flag turns it off"),
    ),
    Control(
        "4.2.3",
        "The node checks client certificates against an authority",
        "`pki/ca.crt`, always; see 4.2.1.",
        _each(_anonymous),
    ),
    Control("4.2.4", "There is no read-only port", "There is none.", _no_port(10255)),
    Control(
        "4.2.5",
        "Streams without traffic end at some time",
        "After four hours, containerd's own limit, as upstream's.",
        inherent("the runtime ends streams that are idle for four hours; the agent does not change that"),
    ),
    Control(
        "4.2.6",
        "The agent sees to its iptables chains",
        "Not applicable: rules are in nftables, held in place by the agent.",
        absent("rules are in nftables; the agent restores them"),
    ),
    Control(
        "4.2.7",
        "Nodes have the names of their machines",
        "For you to say: `longboat up` names its nodes itself, since "
        "several are on one machine; certificates hold each to its name.",
        lambda e: e.of_nodes(lambda node: manual(f"{node.name} is named by the cluster, not by its machine")),
    ),
    Control(
        "4.2.8",
        "Events are recorded, within bounds",
        "25 at once and one in five minutes of a component about one object, as client-go does.",
        inherent("bursts of 25 about an object; no flag"),
    ),
    Control(
        "4.2.9",
        "The node's port serves TLS with a certificate of its own",
        "Signed by the cluster, for that node alone.",
        _private(lambda node: files(node.place / "pki", pattern="serving*")),
        CHMOD,
    ),
    Control("4.2.10", "The agent renews its client certificate", "Always.", inherent("no flag turns it off")),
    Control("4.2.11", "The agent renews its serving certificate", "Always.", inherent("no flag turns it off")),
    Control("4.2.12", "The node's port speaks strong ciphers only", "As 1.2.29.", _each(_ciphers)),
    Control(
        "4.2.13",
        "Processes of a pod are limited",
        "4,096 processes and threads a pod, on new nodes; `--pod-max-pids` says otherwise.",
        set_on_nodes("pod_max_pids", "--pod-max-pids", "pods may have as many processes as the machine"),
        "longboat up --pod-max-pids 4096, or the same flag of longboat agent",
    ),
    Control(
        "4.2.14",
        "Containers have the runtime's seccomp profile where they name none",
        "On new nodes; a node of old keeps to what it was until `--seccomp-default` is said.",
        set_on_nodes("seccomp_default", "--seccomp-default", "containers that name no profile have none"),
        "longboat up --seccomp-default, or the same flag of longboat agent",
    ),
    Control(
        "4.3.1", "The proxy's metrics are on loopback alone", "The proxy serves none of its own.", _no_port(10249, True)
    ),
)
