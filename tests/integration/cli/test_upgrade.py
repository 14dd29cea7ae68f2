"""A cluster that an earlier version has left: it starts, its nodes go on, its kubeconfigs too."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from integration.cli.machine import Machine, machine
from longboat.aio.clock import SystemClock
from longboat.api.certificates import CLIENT, SERVER
from longboat.apiserver.pki import Pair, Pki

__all__ = ["machine"]

pytestmark = [pytest.mark.root, pytest.mark.slow]

MASTERS = ("system:masters",)


def as_it_was(data: Path) -> None:
    """Everything as the version wrote it in which one authority signed for all, and administrators were masters."""
    pki, clock = Pki(data / "pki", SystemClock()), SystemClock()

    def issue(
        place: Path,
        *args: str,
        groups: tuple[str, ...] = (),
        usages: tuple[str, ...] = CLIENT,
        hosts: tuple[str, ...] = (),
    ) -> Pair:
        pair = Pair(place.with_suffix(".crt"), place.with_suffix(".key"))
        return pki.ca.issue(pair, clock, *args, groups, usages=usages, hosts=hosts)

    issue(pki.folder / "admin", "kubernetes-admin", groups=MASTERS)
    issue(pki.folder / "apiserver-kubelet-client", "kube-apiserver-kubelet-client", groups=MASTERS)
    names = ("127.0.0.1", "localhost", "simulated-1")
    served = issue(pki.folder / "kubelet-serving-simulated", "kube-apiserver", usages=SERVER, hosts=names)
    node = data / "nodes" / "simulated" / "pki"
    (node / "serving.crt").write_bytes(served.certificate.read_bytes())
    (node / "serving.key").write_bytes(served.key.read_bytes())
    for path in ("pki/node-serving-ca.crt", "pki/node-serving-ca.key", "pki/super-admin.crt", "pki/super-admin.key",
                 "super-admin.kubeconfig"):  # fmt: skip
        (data / path).unlink()
    kubeconfig = json.loads((data / "admin.kubeconfig").read_text())
    for key, path in (("client-certificate-data", "admin.crt"), ("client-key-data", "admin.key")):
        kubeconfig["users"][0]["user"][key] = base64.b64encode((pki.folder / path).read_bytes()).decode()
    (data / "admin.kubeconfig").write_text(json.dumps(kubeconfig))
    settings = json.loads((data / "cluster.json").read_text())
    del settings["simulated_port"]
    (data / "cluster.json").write_text(json.dumps(settings))


def groups_of(kubeconfig: Path) -> list[str]:
    user = yaml.safe_load(kubeconfig.read_text())["users"][-1]["user"]
    found = x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"]))
    return [str(a.value) for a in found.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)]


def test_a_cluster_of_one_authority_and_of_masters_goes_on(machine: Machine, tmp_path: Path) -> None:
    assert machine.up("--simulated-nodes", "1").code == 0
    machine.create("kept")
    machine.kubectl("delete", "clusterrolebinding", "system:kubelet-api-admin", "longboat:cluster-admins").ok()
    assert machine.longboat("down", "--data-dir", str(machine.data)).code == 0
    as_it_was(machine.data)
    elsewhere = tmp_path / "elsewhere"  # a copy that somebody has taken
    elsewhere.write_text((machine.data / "admin.kubeconfig").read_text())
    assert groups_of(elsewhere) == list(MASTERS)

    assert machine.up("--simulated-nodes", "1").code == 0
    assert machine.kubectl("get", "configmap", "kept", "-o", "name").quiet() == "configmap/kept\n"
    assert machine.kubectl("auth", "can-i", "*", "*").quiet() == "yes\n"
    assert "PodList" in machine.kubectl("get", "--raw", "/api/v1/nodes/simulated-1/proxy/pods").quiet()
    assert "simulated-1" in machine.kubectl("top", "node").out
    assert (
        groups_of(machine.host.kubeconfig)
        == groups_of(machine.data / "admin.kubeconfig")
        == ["longboat:cluster-admins"]
    )
    assert groups_of(machine.data / "super-admin.kubeconfig") == list(MASTERS)
    for path in (elsewhere, machine.data / "super-admin.kubeconfig"):
        assert machine.kubectl("get", "configmap", "kept", "-o", "name", f"--kubeconfig={path}").code == 0


def test_who_deletes_the_administrators_binding_is_helped_by_the_other_kubeconfig(machine: Machine) -> None:
    assert machine.up().code == 0
    assert machine.kubectl("delete", "clusterrolebinding", "longboat:cluster-admins").code == 0
    refused = machine.kubectl("get", "secrets")
    assert refused.code == 1 and 'User "kubernetes-admin" cannot list resource "secrets"' in refused.err
    emergency = f"--kubeconfig={machine.data}/super-admin.kubeconfig"
    assert machine.kubectl("get", "secrets", "-A", emergency).code == 0
    bind = ("create", "clusterrolebinding", "again", "--clusterrole=cluster-admin", "--group=longboat:cluster-admins")
    assert machine.kubectl(*bind, emergency).code == 0
    assert machine.kubectl("get", "secrets").code == 0
