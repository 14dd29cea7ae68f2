"""Every kind the server knows, one line each. A kind costs its file and its line here."""

from __future__ import annotations

from collections.abc import Mapping

from longboat.api import kinds
from longboat.machinery.kinds import Kind
from longboat.registry.allocators.addresses import ClusterIPs
from longboat.registry.allocators.ports import NodePorts
from longboat.registry.kinds.admissionregistration.policies import (
    MutatingAdmissionPolicy,
    MutatingAdmissionPolicyBinding,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
)
from longboat.registry.kinds.admissionregistration.webhooks import (
    MutatingWebhookConfiguration,
    ValidatingWebhookConfiguration,
)
from longboat.registry.kinds.apiextensions.custom_resource_definition import CustomResourceDefinition
from longboat.registry.kinds.apiregistration.api_service import APIService
from longboat.registry.kinds.apps.controller_revision import ControllerRevision
from longboat.registry.kinds.apps.daemon_set import DaemonSet
from longboat.registry.kinds.apps.deployment import Deployment
from longboat.registry.kinds.apps.replica_set import ReplicaSet
from longboat.registry.kinds.apps.stateful_set import StatefulSet
from longboat.registry.kinds.autoscaling.autoscaler import HorizontalPodAutoscaler
from longboat.registry.kinds.autoscaling.autoscaler_v1 import HorizontalPodAutoscalerV1
from longboat.registry.kinds.batch.cron_job import CronJob
from longboat.registry.kinds.batch.job import Job
from longboat.registry.kinds.certificates.signing_request import CertificateSigningRequest
from longboat.registry.kinds.coordination.lease import Lease
from longboat.registry.kinds.core.component_status import ComponentStatus
from longboat.registry.kinds.core.config_map import ConfigMap
from longboat.registry.kinds.core.endpoints import Endpoints
from longboat.registry.kinds.core.event import Event as CoreEvent
from longboat.registry.kinds.core.limit_range import LimitRange
from longboat.registry.kinds.core.namespace import Namespace
from longboat.registry.kinds.core.node import Node
from longboat.registry.kinds.core.persistent_volume import PersistentVolume
from longboat.registry.kinds.core.persistent_volume_claim import PersistentVolumeClaim
from longboat.registry.kinds.core.pod.pod import Pod
from longboat.registry.kinds.core.pod_template import PodTemplate
from longboat.registry.kinds.core.replication_controller import ReplicationController
from longboat.registry.kinds.core.resource_quota import ResourceQuota
from longboat.registry.kinds.core.secret import Secret
from longboat.registry.kinds.core.service.reserver import AddressesAndPorts
from longboat.registry.kinds.core.service.service import Service
from longboat.registry.kinds.core.service_account import ServiceAccount
from longboat.registry.kinds.discovery.endpoint_slice import EndpointSlice
from longboat.registry.kinds.events.event import Event
from longboat.registry.kinds.flowcontrol.flow_control import FlowSchema, PriorityLevelConfiguration
from longboat.registry.kinds.networking.ingress import Ingress
from longboat.registry.kinds.networking.ingress_class import IngressClass
from longboat.registry.kinds.networking.ip_address import IPAddress
from longboat.registry.kinds.networking.network_policy import NetworkPolicy
from longboat.registry.kinds.networking.service_cidr import ServiceCIDR
from longboat.registry.kinds.node.runtime_class import RuntimeClass
from longboat.registry.kinds.policy.disruption_budget import PodDisruptionBudget
from longboat.registry.kinds.rbac.bindings import ClusterRoleBinding, RoleBinding
from longboat.registry.kinds.rbac.roles import ClusterRole, Role
from longboat.registry.kinds.resource.devices import DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice
from longboat.registry.kinds.scheduling.priority_class import PriorityClass
from longboat.registry.kinds.storage.attachment import VolumeAttachment, VolumeAttributesClass
from longboat.registry.kinds.storage.csi import CSIDriver, CSINode, CSIStorageCapacity
from longboat.registry.kinds.storage.storage_class import StorageClass
from longboat.registry.store import Store
from longboat.registry.strategy import ScaleFields, Strategy
from longboat.storage.interface import Storage


def plain(kind: Kind, *, status: bool = False, scale: ScaleFields | None = None, **attributes: object) -> Strategy:
    """A kind that is served with schema and metadata validation alone."""
    members = {"kind": kind, "has_status": status, "scale": scale, **attributes}
    strategy: Strategy = type(kind.name, (Strategy,), members)()
    return strategy


def strategies() -> list[Strategy]:
    """In the order in which discovery lists their groups."""
    return [
        plain(kinds.BINDING, stored=False, verbs=("create",)),
        ComponentStatus(),
        ConfigMap(),
        Endpoints(),
        CoreEvent(),
        LimitRange(),
        Namespace(),
        Node(),
        PersistentVolumeClaim(),
        PersistentVolume(),
        Pod(),
        PodTemplate(),
        ReplicationController(),
        ResourceQuota(),
        Secret(),
        ServiceAccount(),
        Service(),
        APIService(),
        ControllerRevision(),
        DaemonSet(),
        Deployment(),
        ReplicaSet(),
        StatefulSet(),
        Event(),
        plain(kinds.TOKEN_REVIEW, stored=False, verbs=("create",)),
        plain(kinds.SELF_SUBJECT_REVIEW, stored=False, verbs=("create",)),
        plain(kinds.LOCAL_SUBJECT_ACCESS_REVIEW, stored=False, verbs=("create",)),
        plain(kinds.SELF_SUBJECT_ACCESS_REVIEW, stored=False, verbs=("create",)),
        plain(kinds.SELF_SUBJECT_RULES_REVIEW, stored=False, verbs=("create",)),
        plain(kinds.SUBJECT_ACCESS_REVIEW, stored=False, verbs=("create",)),
        HorizontalPodAutoscaler(),
        HorizontalPodAutoscalerV1(),
        CronJob(),
        Job(),
        CertificateSigningRequest(),
        NetworkPolicy(),
        Ingress(),
        IngressClass(),
        IPAddress(),
        ServiceCIDR(),
        PodDisruptionBudget(),
        ClusterRoleBinding(),
        ClusterRole(),
        RoleBinding(),
        Role(),
        CSIDriver(),
        CSINode(),
        CSIStorageCapacity(),
        StorageClass(),
        VolumeAttachment(),
        VolumeAttributesClass(),
        MutatingAdmissionPolicy(),
        MutatingAdmissionPolicyBinding(),
        MutatingWebhookConfiguration(),
        ValidatingAdmissionPolicy(),
        ValidatingAdmissionPolicyBinding(),
        ValidatingWebhookConfiguration(),
        CustomResourceDefinition(),
        PriorityClass(),
        Lease(),
        RuntimeClass(),
        EndpointSlice(),
        FlowSchema(),
        PriorityLevelConfiguration(),
        DeviceClass(),
        ResourceClaim(),
        ResourceClaimTemplate(),
        ResourceSlice(),
        plain(kinds.NODE_METRICS, stored=False, protobuf=False, verbs=("get", "list")),
        plain(kinds.POD_METRICS, stored=False, protobuf=False, verbs=("get", "list")),
    ]


def connect(stores: Mapping[Kind, Store], storage: Storage, service_cidr: str, node_ports: tuple[int, int]) -> None:
    """Give the stores of kinds that hold addresses or ports what hands them out; it looks at other kinds' stores.

    `service_cidr`: one range, or two of different families, joined by a comma.
    """
    services = stores[kinds.SERVICE]
    cidrs = [cidr.strip() for cidr in service_cidr.split(",")]
    ips = ClusterIPs(cidrs, stores[kinds.IP_ADDRESS], stores[kinds.SERVICE_CIDR])
    services.reserver = AddressesAndPorts(services, ips, NodePorts(*node_ports, storage))
