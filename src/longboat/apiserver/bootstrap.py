"""What every cluster has from the start: namespaces, roles, storage, the `kubernetes` Service, flow control."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
import logging
from collections.abc import Awaitable, Iterable, Mapping

import msgspec

from longboat.aio.clock import Clock
from longboat.api import kinds
from longboat.api.families import DNS_INDEX, split
from longboat.apiserver.admission.pods import SYSTEM_PRIORITIES
from longboat.apiserver.authz import policy
from longboat.apiserver.authz.escalation import missing
from longboat.apiserver.authz.rbac import Rule
from longboat.apiserver.bootstrap_flowcontrol import settle_flow_control
from longboat.apiserver.bootstrap_ingress import ingress_objects
from longboat.apiserver.bootstrap_layer import Layer
from longboat.apiserver.bootstrap_service import OwnService
from longboat.apiserver.bootstrap_storage import storage_objects
from longboat.apiserver.config import Config
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.registry.store import Store
from longboat.registry.write import Write

log = logging.getLogger(__name__)

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_KINDS = {kind.name: kind for kind in (kinds.CLUSTER_ROLE, kinds.CLUSTER_ROLE_BINDING, kinds.ROLE, kinds.ROLE_BINDING)}
_ROLES = frozenset(("ClusterRole", "Role"))


async def bootstrap(config: Config, stores: Mapping[Kind, Store], clock: Clock) -> None:
    """Create what is missing, bring up to date what the server owns, and leave the rest alone. Raises StatusError."""
    lay = _Bootstrap(config, stores, clock)
    own = OwnService(config, stores, clock)
    await _together(lay.ensure(kinds.NAMESPACE, "", {"metadata": {"name": name}}) for name in NAMESPACES)
    await _together(
        (
            *(lay.reconcile(_KINDS[obj["kind"]], obj) for obj in policy.bootstrap(config.rights)),
            *(lay.ensure(kinds.PRIORITY_CLASS, "", priority_class) for priority_class in _priority_classes()),
            settle_flow_control(stores),
            *(lay.ensure(kind, "", obj) for kind, obj in storage_objects(lay.found(kinds.STORAGE_CLASS))),
            *(lay.ensure(kind, "", obj) for kind, obj in ingress_objects(lay.found(kinds.INGRESS_CLASS))),
            own.settle(),
            lay.dns_service(),
            lay.client_authorities(),
            lay.node_authority(),
            lay.cluster_info(),
        )
    )


async def _together(work: Iterable[Awaitable[None]]) -> None:
    """All at once, so that their writes share commits; one after the other they would wait for the disk each."""
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


def _priority_classes() -> list[Object]:
    return [
        {"metadata": {"name": name}, "value": value, "description": _USE[name]}
        for name, value in SYSTEM_PRIORITIES.items()
    ]


_USE = {
    "system-cluster-critical": (
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary."
    ),
    "system-node-critical": "Used for system critical pods that must not be moved from their current node.",
}


class _Bootstrap(Layer):
    async def reconcile(self, kind: Kind, wanted: Object) -> None:
        """Add what a default role or binding lacks, and take back what it gave too much once.

        More than the default is left otherwise, and so is one opted out.
        """
        namespace, name = wanted["metadata"].get("namespace", ""), wanted["metadata"]["name"]
        store = self.stores[kind]
        entry = store.find(namespace, name)
        if entry is None:
            await self.ensure(kind, namespace, wanted)
            return
        found = msgspec.json.decode(entry.body)
        if (found["metadata"].get("annotations") or {}).get(AUTOUPDATE) != "true" or "aggregationRule" in wanted:
            return
        part = "rules" if kind.name in _ROLES else "subjects"
        had, withdrawn = found.get(part) or [], policy.withdrawn(name)
        have = [item for item in had if item not in withdrawn]
        if part == "rules":  # however they are arranged
            held = [Rule(rule) for rule in have]
            lacking = [rule for rule in wanted[part] if missing(held, [rule])]
        else:
            lacking = [subject for subject in wanted[part] if not any(_same(old, subject) for old in have)]
        if lacking or have != had:
            await store.update(namespace, name, lambda old: {**old, part: have + lacking}, Write(), retry=True)

    async def dns_service(self) -> None:
        """The `kube-dns` Service, by whose address pods know the cluster's DNS; every node answers there itself.

        It is the cluster's owner's to change: one that is there is left alone.
        """
        networks = [ipaddress.ip_network(each) for each in split(self.config.service_cidr)]
        addresses = [str(each[DNS_INDEX]) for each in networks if each.num_addresses > DNS_INDEX]
        if len(addresses) < len(networks):
            return
        labels = {
            "k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS",
        }  # fmt: skip
        ports = [("dns", "UDP"), ("dns-tcp", "TCP")]
        spec: Object = {
            "clusterIP": addresses[0],
            "clusterIPs": addresses,
            "ipFamilyPolicy": "PreferDualStack",
            "ports": [{"name": name, "protocol": protocol, "port": 53, "targetPort": 53} for name, protocol in ports],
        }
        try:
            await self.ensure(
                kinds.SERVICE, "kube-system", {"metadata": {"name": "kube-dns", "labels": labels}, "spec": spec}
            )
        except StatusError as error:
            if error.reason != "Invalid":  # another Service has had the address since before there was a kube-dns
                raise
            log.warning("there is no kube-dns Service: %s", error)

    async def client_authorities(self) -> None:
        """How extension API servers recognise clients and the front proxy."""
        config = self.config
        if config.client_ca is None or config.front_proxy is None:
            return
        data = {"client-ca-file": config.client_ca.read_text(), **config.front_proxy.told()}
        name = {"name": "extension-apiserver-authentication", "namespace": "kube-system"}
        await self.keep(kinds.CONFIG_MAP, "kube-system", {"metadata": name, "data": data})

    async def node_authority(self) -> None:
        """How who reads nodes (metrics-server, Prometheus) knows their certificates: by an authority of their own."""
        if self.config.node_ca is not None:
            meta = {"name": "kubelet-serving-ca", "namespace": "kube-system"}
            data = {"ca.crt": self.config.node_ca.read_text()}
            await self.keep(kinds.CONFIG_MAP, "kube-system", {"metadata": meta, "data": data})

    async def cluster_info(self) -> None:
        """What a machine that has a join token needs beside it: the CA, which the token names (KEP-130)."""
        config = self.config
        if config.client_ca is None:
            return
        authority = base64.b64encode(config.client_ca.read_bytes()).decode()
        host = f"[{config.advertise}]" if ":" in config.advertise else config.advertise
        cluster = {"certificate-authority-data": authority, "server": f"https://{host}:{config.port}"}
        kubeconfig = {"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "", "cluster": cluster}]}
        name = {"name": "cluster-info", "namespace": "kube-public"}
        data = {"kubeconfig": json.dumps(kubeconfig)}
        await self.keep(kinds.CONFIG_MAP, "kube-public", {"metadata": name, "data": data})


def _same(have: Object, subject: Object) -> bool:
    return all(have.get(field) == value for field, value in subject.items())
