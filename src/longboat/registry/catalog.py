"""Every kind the server knows, one line each. A kind costs its file and its line here."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.kinds import Kind
from longboat.registry.kinds.apps.deployment import Deployment
from longboat.registry.kinds.apps.replica_set import ReplicaSet
from longboat.registry.kinds.certificates.signing_request import CertificateSigningRequest
from longboat.registry.kinds.coordination.lease import Lease
from longboat.registry.kinds.core.config_map import ConfigMap
from longboat.registry.kinds.core.endpoints import Endpoints
from longboat.registry.kinds.core.event import Event as CoreEvent
from longboat.registry.kinds.core.limit_range import LimitRange
from longboat.registry.kinds.core.namespace import Namespace
from longboat.registry.kinds.core.node import Node
from longboat.registry.kinds.core.persistent_volume_claim import PersistentVolumeClaim
from longboat.registry.kinds.core.pod.pod import Pod
from longboat.registry.kinds.core.resource_quota import ResourceQuota
from longboat.registry.kinds.core.secret import Secret
from longboat.registry.kinds.core.service.service import Service
from longboat.registry.kinds.core.service_account import ServiceAccount
from longboat.registry.kinds.discovery.endpoint_slice import EndpointSlice
from longboat.registry.kinds.events.event import Event
from longboat.registry.kinds.networking.ingress_class import IngressClass
from longboat.registry.kinds.networking.ip_address import IPAddress
from longboat.registry.kinds.networking.service_cidr import ServiceCIDR
from longboat.registry.kinds.node.runtime_class import RuntimeClass
from longboat.registry.kinds.rbac.bindings import ClusterRoleBinding, RoleBinding
from longboat.registry.kinds.rbac.roles import ClusterRole, Role
from longboat.registry.kinds.scheduling.priority_class import PriorityClass
from longboat.registry.store import Store
from longboat.registry.strategy import ScaleFields, Strategy
from longboat.storage.interface import Storage


def plain(kind: Kind, *, status: bool = False, scale: ScaleFields | None = None, **attributes: object) -> Strategy:
    """A kind that is served with schema and metadata validation alone."""
    members = {"kind": kind, "has_status": status, "scale": scale, **attributes}
    strategy: Strategy = type(kind.name, (Strategy,), members)()
    return strategy


def strategies(service_cidr: str, node_ports: tuple[int, int]) -> list[Strategy]:
    """In the order in which discovery lists their groups."""
    return [
        plain(kinds.BINDING, stored=False, verbs=("create",)),
        plain(kinds.COMPONENT_STATUS, verbs=("get", "list")),
        ConfigMap(),
        Endpoints(),
        CoreEvent(),
        LimitRange(),
        Namespace(),
        Node(),
        PersistentVolumeClaim(),
        plain(kinds.PERSISTENT_VOLUME, status=True),
        Pod(),
        plain(kinds.POD_TEMPLATE),
        plain(kinds.REPLICATION_CONTROLLER, status=True, scale=ScaleFields(), storage_prefix="controllers"),
        ResourceQuota(),
        Secret(),
        ServiceAccount(),
        Service(service_cidr, node_ports),
        plain(kinds.API_SERVICE, status=True, storage_prefix="apiregistration.k8s.io/apiservices"),
        plain(kinds.CONTROLLER_REVISION),
        plain(kinds.DAEMON_SET, status=True),
        Deployment(),
        ReplicaSet(),
        plain(kinds.STATEFUL_SET, status=True, scale=ScaleFields()),
        Event(),
        plain(kinds.TOKEN_REVIEW, stored=False, verbs=("create",)),
        plain(kinds.SELF_SUBJECT_REVIEW, stored=False, verbs=("create",)),
        plain(kinds.LOCAL_SUBJECT_ACCESS_REVIEW, stored=False, verbs=("create",)),
        plain(kinds.SELF_SUBJECT_ACCESS_REVIEW, stored=False, verbs=("create",)),
        plain(kinds.SELF_SUBJECT_RULES_REVIEW, stored=False, verbs=("create",)),
        plain(kinds.SUBJECT_ACCESS_REVIEW, stored=False, verbs=("create",)),
        plain(kinds.HPA, status=True),
        plain(kinds.HPA_V1, status=True),
        plain(kinds.CRON_JOB, status=True),
        plain(kinds.JOB, status=True),
        CertificateSigningRequest(),
        plain(kinds.NETWORK_POLICY),
        plain(kinds.INGRESS, status=True, storage_prefix="ingress"),
        IngressClass(),
        IPAddress(),
        ServiceCIDR(),
        plain(kinds.POD_DISRUPTION_BUDGET, status=True),
        ClusterRoleBinding(),
        ClusterRole(),
        RoleBinding(),
        Role(),
        plain(kinds.CSI_DRIVER),
        plain(kinds.CSI_NODE),
        plain(kinds.CSI_STORAGE_CAPACITY),
        plain(kinds.STORAGE_CLASS),
        plain(kinds.VOLUME_ATTACHMENT, status=True),
        plain(kinds.VOLUME_ATTRIBUTES_CLASS),
        plain(kinds.MUTATING_ADMISSION_POLICY),
        plain(kinds.MUTATING_ADMISSION_POLICY_BINDING),
        plain(kinds.MUTATING_WEBHOOK_CONFIGURATION),
        plain(kinds.VALIDATING_ADMISSION_POLICY, status=True),
        plain(kinds.VALIDATING_ADMISSION_POLICY_BINDING),
        plain(kinds.VALIDATING_WEBHOOK_CONFIGURATION),
        plain(kinds.CUSTOM_RESOURCE_DEFINITION, status=True),
        PriorityClass(),
        Lease(),
        RuntimeClass(),
        EndpointSlice(),
        plain(kinds.FLOW_SCHEMA, status=True),
        plain(kinds.PRIORITY_LEVEL_CONFIGURATION, status=True),
        plain(kinds.DEVICE_CLASS),
        plain(kinds.RESOURCE_CLAIM, status=True),
        plain(kinds.RESOURCE_CLAIM_TEMPLATE),
        plain(kinds.RESOURCE_SLICE),
    ]


def connect(known: list[Strategy], stores: dict[Kind, Store], storage: Storage) -> None:
    """Give the strategies that look at other kinds the stores they look at."""
    for strategy in known:
        strategy.connect(stores, storage)
