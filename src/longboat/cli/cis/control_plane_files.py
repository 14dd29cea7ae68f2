"""Section 1.1: files of the control plane, and how it is started."""

from __future__ import annotations

from pathlib import Path

from longboat.cli.cis.control import Control, absent
from longboat.cli.cis.evidence import Evidence, Node, files
from longboat.cli.cis.finding import Finding, all_of

CHMOD = "chmod 600 what is named"
CHOWN = "chown what is named to the user the cluster runs as"
SETTINGS = "the cluster's settings, `cluster.json`, stand for the pod specification"
NO_CONFIG = "controllers and scheduler live in the API server's process and need no credential of their own"


def _settings(evidence: Evidence) -> list[Path]:
    return files(evidence.root / "cluster.json")


def _settings_private(evidence: Evidence) -> Finding:
    return evidence.private(_settings(evidence))


def _settings_owned(evidence: Evidence) -> Finding:
    return evidence.owned(_settings(evidence))


def _cni(node: Node) -> list[Path]:
    return files(node.place / "cni" / "net.d", _leases(node))


def _leases(node: Node) -> Path:
    return node.root / "var/lib/cni/networks"


def _cni_private(evidence: Evidence, node: Node) -> Finding:
    """The plugin writes leases for all to read, into a directory that only their owner enters."""
    return all_of(
        evidence.private(files(node.place / "cni" / "net.d")),
        evidence.private([path for path in (_leases(node),) if path.exists()], 0o700),
    )


def _data(evidence: Evidence) -> list[Path]:
    return [evidence.root, *evidence.root.glob("state.db*")]


def _admin(evidence: Evidence) -> list[Path]:
    given = [Path(evidence.cluster.kubeconfig)] if evidence.cluster.kubeconfig else []
    return [path for path in (*_own(evidence), *given) if path.is_file()]


def _own(evidence: Evidence) -> list[Path]:
    return files(evidence.cluster.admin_kubeconfig, evidence.root / "super-admin.kubeconfig")


def _pki(evidence: Evidence, pattern: str = "*") -> list[Path]:
    return files(evidence.root / "pki", pattern=pattern)


def _specification(numbers: str, whose: str) -> tuple[Control, Control]:
    first, second = numbers.split()
    return (
        Control(first, f"Nobody but its owner reads or writes how the {whose} is started",
                f"There are no static pods: {SETTINGS}. Mode 600.", _settings_private, CHMOD),
        Control(second, f"How the {whose} is started belongs to root", f"As {first}; to whom the cluster runs as.",
                _settings_owned, CHOWN),
    )  # fmt: skip


CONTROLS = (
    *_specification("1.1.1 1.1.2", "API server"),
    *_specification("1.1.3 1.1.4", "controller manager"),
    *_specification("1.1.5 1.1.6", "scheduler"),
    *_specification("1.1.7 1.1.8", "store"),
    Control(
        "1.1.9",
        "Nobody but their owner reads or writes the CNI configuration and its leases",
        "Each node's network list has mode 600; its leases (644 by the plugin) lie in a directory of mode 700.",
        lambda e: e.of_nodes(lambda node: _cni_private(e, node)),
        CHMOD,
    ),
    Control(
        "1.1.10",
        "CNI files belong to root",
        "They belong to the node's agent, which is root.",
        lambda e: e.of_nodes(lambda node: e.owned(_cni(node))),
        CHOWN,
    ),
    Control(
        "1.1.11",
        "Nobody but its owner enters the store's data directory",
        "The data directory has mode 700, the database 600.",
        lambda e: e.private(_data(e), 0o700),
        "chmod 700",
    ),
    Control(
        "1.1.12",
        "The store's data belong to the store's user",
        "Store and control plane run as one user, to whom the data belong.",
        lambda e: e.owned(_data(e)),
        CHOWN,
    ),
    Control(
        "1.1.13",
        "Nobody but its owner reads the administrator's kubeconfig",
        "`admin.kubeconfig`, `super-admin.kubeconfig`, and the file that `longboat up` writes to, have mode 600.",
        lambda e: e.private(_admin(e)),
        CHMOD,
    ),
    Control(
        "1.1.14",
        "The administrator's kubeconfig belongs to root",
        "They belong to whom the cluster runs as; the file of a person to that person.",
        lambda e: e.owned(_own(e)),
        CHOWN,
    ),
    Control(
        "1.1.15", "Nobody but its owner reads the scheduler's kubeconfig", f"None: {NO_CONFIG}.", absent(NO_CONFIG)
    ),
    Control("1.1.16", "The scheduler's kubeconfig belongs to root", "As 1.1.15.", absent(NO_CONFIG)),
    Control(
        "1.1.17", "Nobody but its owner reads the controller manager's kubeconfig", "As 1.1.15.", absent(NO_CONFIG)
    ),
    Control("1.1.18", "The controller manager's kubeconfig belongs to root", "As 1.1.15.", absent(NO_CONFIG)),
    Control(
        "1.1.19",
        "Keys and certificates, and their directory, belong to root",
        "`pki/` belongs to whom the cluster runs as.",
        lambda e: e.owned([e.root / "pki", *_pki(e)]),
        CHOWN,
    ),
    Control(
        "1.1.20",
        "Nobody but their owner writes certificates",
        "They have mode 600.",
        lambda e: e.private(_pki(e, "*.crt"), 0o644),
        CHMOD,
    ),
    Control(
        "1.1.21",
        "Nobody but their owner reads keys",
        "They have mode 600.",
        lambda e: e.private(_pki(e, "*.key")),
        CHMOD,
    ),
)
