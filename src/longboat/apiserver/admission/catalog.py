"""The admission plugins, in the order in which they are asked: one line each, under upstream's names.

All that change come before all that judge; within each, this order. What has no name of upstream's is our own: it
guards what upstream guards elsewhere, or only tells, so no flag turns it off.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from longboat.aio.clock import Clock
from longboat.api import kinds
from longboat.apiserver.admission import certificates
from longboat.apiserver.admission.admin_access import AdminAccess
from longboat.apiserver.admission.always import AlwaysDeny, Inert
from longboat.apiserver.admission.always_pull_images import AlwaysPullImages
from longboat.apiserver.admission.asked import Printed
from longboat.apiserver.admission.chain import Lookup, Plugin, Seek
from longboat.apiserver.admission.configuration import Configured
from longboat.apiserver.admission.declared_features import NodeDeclaredFeatureValidator
from longboat.apiserver.admission.escalation import Escalation
from longboat.apiserver.admission.event_rate import EventRateLimit
from longboat.apiserver.admission.external_ips import DenyServiceExternalIPs
from longboat.apiserver.admission.image_policy import ImagePolicyWebhook
from longboat.apiserver.admission.ingress import DefaultIngressClass
from longboat.apiserver.admission.limit_ranger import LimitRanger
from longboat.apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from longboat.apiserver.admission.namespaces import Create, NamespaceAutoProvision, NamespaceExists
from longboat.apiserver.admission.node_restriction import NodeRestriction
from longboat.apiserver.admission.node_selectors import PodNodeSelector
from longboat.apiserver.admission.nodes import NodeNames, TaintNodesByCondition
from longboat.apiserver.admission.owner_references import OwnerReferencesPermissionEnforcement, Served
from longboat.apiserver.admission.pod_resize import PodResizeValidator
from longboat.apiserver.admission.pod_security import plugin as pod_security
from longboat.apiserver.admission.pod_security.figures import Figures
from longboat.apiserver.admission.pods import DefaultTolerationSeconds, Priority
from longboat.apiserver.admission.policies.both import Both
from longboat.apiserver.admission.policies.plugin import MutatingAdmissionPolicy, ValidatingAdmissionPolicy
from longboat.apiserver.admission.resource_quota import ResourceQuota
from longboat.apiserver.admission.runtime_class import RuntimeClass
from longboat.apiserver.admission.service_account import ServiceAccount
from longboat.apiserver.admission.storage import (
    DefaultStorageClass,
    PersistentVolumeClaimResize,
    StorageObjectInUseProtection,
)
from longboat.apiserver.admission.tolerations import ExtendedResourceToleration, PodTolerationRestriction
from longboat.apiserver.admission.topology import LimitPodHardAntiAffinityTopology, PodTopologyLabels
from longboat.apiserver.admission.unenforced import Table, WarnUnenforced
from longboat.apiserver.admission.versions import Versions
from longboat.apiserver.admission.webhooks.caller import Caller
from longboat.apiserver.admission.webhooks.complaints import Complaints
from longboat.apiserver.admission.webhooks.hooks import Hooks
from longboat.apiserver.admission.webhooks.patching import Typed
from longboat.apiserver.admission.webhooks.plugin import MutatingAdmissionWebhook, ValidatingAdmissionWebhook
from longboat.apiserver.authz.authorizer import Authorizer
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.registry.store import Store


class Every(Protocol):
    """All objects of a kind, of one namespace if one is named."""

    def __call__(self, kind: Kind, namespace: str = "") -> list[Object]: ...


@dataclass(frozen=True, slots=True)
class Means:
    """What plugins may ask for."""

    lookup: Lookup
    seek: Seek
    every: Every
    pods: pod_security.PodsOf
    authorizer: Authorizer
    namespaces: Store
    quotas: Store
    clock: Clock
    serving_names: Collection[str]
    unenforced: Table
    configured: Configured
    pod_figures: Figures
    mutating: Hooks
    validating: Hooks
    caller: Caller
    complaints: Complaints
    typed: Typed
    printed: Printed
    versions: Versions
    make_namespace: Create
    served: Served
    policies: Both


Make = Callable[[Means], Plugin]

CATALOGUE: tuple[tuple[str, Make], ...] = (
    ("AlwaysAdmit", lambda m: Inert()),
    ("NamespaceAutoProvision", lambda m: NamespaceAutoProvision(m.lookup, m.make_namespace)),
    ("NamespaceLifecycle", lambda m: NamespaceLifecycle(m.namespaces, m.seek)),
    ("NamespaceExists", lambda m: NamespaceExists(m.lookup, m.seek)),
    ("LimitPodHardAntiAffinityTopology", lambda m: LimitPodHardAntiAffinityTopology()),
    ("LimitRanger", lambda m: LimitRanger(lambda namespace: m.every(kinds.LIMIT_RANGE, namespace))),
    ("ServiceAccount", lambda m: ServiceAccount(m.lookup, m.seek)),
    ("NodeRestriction", lambda m: NodeRestriction(m.lookup, m.authorizer)),
    ("", lambda m: NodeNames(m.serving_names)),
    ("TaintNodesByCondition", lambda m: TaintNodesByCondition()),
    ("AlwaysPullImages", lambda m: AlwaysPullImages()),
    ("ImagePolicyWebhook", lambda m: _image_policy(m)),
    (
        "PodSecurity",
        lambda m: pod_security.PodSecurity(m.lookup, m.seek, m.pods, m.clock, m.pod_figures, m.configured.pod_security),
    ),
    ("PodNodeSelector", lambda m: PodNodeSelector(m.lookup, m.seek, m.configured.node_selectors)),
    ("Priority", lambda m: Priority(m.lookup, m.seek, lambda: m.every(kinds.PRIORITY_CLASS))),
    ("DefaultTolerationSeconds", lambda m: DefaultTolerationSeconds()),
    (
        "PodTolerationRestriction",
        lambda m: PodTolerationRestriction(m.lookup, m.seek, m.configured.tolerations),
    ),
    ("EventRateLimit", lambda m: EventRateLimit(m.configured.event_limits, m.clock)),
    ("ExtendedResourceToleration", lambda m: ExtendedResourceToleration()),
    ("DefaultStorageClass", lambda m: DefaultStorageClass(lambda: m.every(kinds.STORAGE_CLASS))),
    ("StorageObjectInUseProtection", lambda m: StorageObjectInUseProtection()),
    ("PodGroupProtection", lambda m: Inert()),  # PodGroups are not served
    (
        "OwnerReferencesPermissionEnforcement",
        lambda m: OwnerReferencesPermissionEnforcement(m.authorizer, m.served),
    ),
    ("PersistentVolumeClaimResize", lambda m: PersistentVolumeClaimResize(m.lookup)),
    ("RuntimeClass", lambda m: RuntimeClass(m.lookup, m.seek)),
    ("CertificateApproval", lambda m: certificates.Approval(m.authorizer)),
    ("CertificateSigning", lambda m: certificates.Signing(m.authorizer)),
    ("ClusterTrustBundleAttest", lambda m: Inert()),  # ClusterTrustBundles are not served
    ("CertificateSubjectRestriction", lambda m: certificates.SubjectRestriction()),
    ("DefaultIngressClass", lambda m: DefaultIngressClass(lambda: m.every(kinds.INGRESS_CLASS))),
    ("DenyServiceExternalIPs", lambda m: DenyServiceExternalIPs()),
    ("", lambda m: AdminAccess(m.lookup)),  # upstream's is in the validation of claims
    ("PodTopologyLabels", lambda m: PodTopologyLabels(m.lookup)),
    ("PodGroupWorkloadExists", lambda m: Inert()),  # PodGroups are not served
    ("NodeDeclaredFeatureValidator", lambda m: NodeDeclaredFeatureValidator(m.lookup)),
    ("JobValidation", lambda m: Inert()),  # of Jobs that name a Workload: no field here does
    ("PodResizeValidator", lambda m: PodResizeValidator(m.lookup)),
    ("MutatingAdmissionPolicy", lambda m: MutatingAdmissionPolicy(m.policies, m.clock)),
    (
        "MutatingAdmissionWebhook",
        lambda m: MutatingAdmissionWebhook(
            m.mutating, m.caller, m.complaints, m.lookup, m.authorizer, m.printed, m.versions, m.typed
        ),
    ),
    ("", lambda m: Escalation(m.authorizer)),  # upstream's is in the storage of roles and bindings
    ("", lambda m: WarnUnenforced(m.unenforced)),
    ("ValidatingAdmissionPolicy", lambda m: ValidatingAdmissionPolicy(m.policies, m.clock)),
    (
        "ValidatingAdmissionWebhook",
        lambda m: ValidatingAdmissionWebhook(
            m.validating, m.caller, m.complaints, m.lookup, m.authorizer, m.printed, m.versions
        ),
    ),
    (
        "ResourceQuota",
        lambda m: ResourceQuota(m.quotas, m.clock, m.configured.limited),
    ),
    ("AlwaysDeny", lambda m: AlwaysDeny()),
)
NAMES = frozenset(name for name, _ in CATALOGUE if name)
OFF = frozenset((
    "AlwaysAdmit", "AlwaysDeny", "AlwaysPullImages", "EventRateLimit", "ExtendedResourceToleration",
    "ImagePolicyWebhook", "LimitPodHardAntiAffinityTopology", "NamespaceAutoProvision", "NamespaceExists",
    "OwnerReferencesPermissionEnforcement", "PodNodeSelector", "PodTolerationRestriction",
))  # fmt: skip
"""Plugins that are off unless they are enabled, as upstream's. Two that upstream leaves off are on: NodeRestriction and
DenyServiceExternalIPs."""


def _image_policy(means: Means) -> Plugin:
    settings, reviewer = means.configured.image_policy, means.configured.image_reviewer
    assert settings is not None and reviewer is not None, "configuration.load has seen to it"
    return ImagePolicyWebhook(settings, reviewer, means.clock)


def problems(enabled: Collection[str], disabled: Collection[str]) -> Iterator[str]:
    """What is wrong with the names that the two flags give, in upstream's words."""
    for flag, names in (("enable", enabled), ("disable", disabled)):
        for name in names:
            if name not in NAMES:
                yield f'{flag}-admission-plugins plugin "{name}" is unknown'
    if both := sorted({*enabled} & {*disabled}):
        yield f"[{' '.join(both)}] in enable-admission-plugins and disable-admission-plugins overlapped"


def running(enabled: Collection[str] = (), disabled: Collection[str] = ()) -> frozenset[str]:
    """The names of those that are enabled."""
    return (NAMES - OFF | {*enabled}) - {*disabled}


def plugins(means: Means, enabled: Collection[str] = (), disabled: Collection[str] = ()) -> Sequence[Plugin]:
    """Those that are enabled, in order."""
    names = running(enabled, disabled)
    return [make(means) for name, make in CATALOGUE if not name or name in names]
