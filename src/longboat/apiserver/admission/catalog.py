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
from longboat.apiserver.admission.asked import Printed
from longboat.apiserver.admission.chain import Lookup, Plugin, Seek
from longboat.apiserver.admission.escalation import Escalation
from longboat.apiserver.admission.external_ips import DenyServiceExternalIPs
from longboat.apiserver.admission.ingress import DefaultIngressClass
from longboat.apiserver.admission.limit_ranger import LimitRanger
from longboat.apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from longboat.apiserver.admission.node_restriction import NodeRestriction
from longboat.apiserver.admission.nodes import NodeNames, TaintNodesByCondition
from longboat.apiserver.admission.pod_resize import PodResizeValidator
from longboat.apiserver.admission.pod_security import plugin as pod_security
from longboat.apiserver.admission.pod_security.figures import Figures
from longboat.apiserver.admission.pod_security.settings import Settings
from longboat.apiserver.admission.pods import DefaultTolerationSeconds, Priority
from longboat.apiserver.admission.resource_quota import ResourceQuota
from longboat.apiserver.admission.runtime_class import RuntimeClass
from longboat.apiserver.admission.service_account import ServiceAccount
from longboat.apiserver.admission.storage import (
    DefaultStorageClass,
    PersistentVolumeClaimResize,
    StorageObjectInUseProtection,
)
from longboat.apiserver.admission.unenforced import Table, WarnUnenforced
from longboat.apiserver.admission.versions import Versions
from longboat.apiserver.admission.webhooks.caller import Caller
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
    quotas: Store
    clock: Clock
    serving_names: Collection[str]
    unenforced: Table
    pod_security: Settings
    pod_figures: Figures
    mutating: Hooks
    validating: Hooks
    caller: Caller
    typed: Typed
    printed: Printed
    versions: Versions


Make = Callable[[Means], Plugin]

CATALOGUE: tuple[tuple[str, Make], ...] = (
    ("NamespaceLifecycle", lambda m: NamespaceLifecycle(m.lookup, m.seek)),
    ("LimitRanger", lambda m: LimitRanger(lambda namespace: m.every(kinds.LIMIT_RANGE, namespace))),
    ("ServiceAccount", lambda m: ServiceAccount(m.lookup, m.seek)),
    ("NodeRestriction", lambda m: NodeRestriction(m.lookup, m.authorizer)),
    ("", lambda m: NodeNames(m.serving_names)),
    ("TaintNodesByCondition", lambda m: TaintNodesByCondition()),
    (
        "PodSecurity",
        lambda m: pod_security.PodSecurity(m.lookup, m.seek, m.pods, m.clock, m.pod_figures, m.pod_security),
    ),
    ("Priority", lambda m: Priority(m.lookup, m.seek, lambda: m.every(kinds.PRIORITY_CLASS))),
    ("DefaultTolerationSeconds", lambda m: DefaultTolerationSeconds()),
    ("DefaultStorageClass", lambda m: DefaultStorageClass(lambda: m.every(kinds.STORAGE_CLASS))),
    ("StorageObjectInUseProtection", lambda m: StorageObjectInUseProtection()),
    ("PersistentVolumeClaimResize", lambda m: PersistentVolumeClaimResize(m.lookup)),
    ("RuntimeClass", lambda m: RuntimeClass(m.lookup, m.seek)),
    ("CertificateApproval", lambda m: certificates.Approval(m.authorizer)),
    ("CertificateSigning", lambda m: certificates.Signing(m.authorizer)),
    ("CertificateSubjectRestriction", lambda m: certificates.SubjectRestriction()),
    ("DefaultIngressClass", lambda m: DefaultIngressClass(lambda: m.every(kinds.INGRESS_CLASS))),
    ("DenyServiceExternalIPs", lambda m: DenyServiceExternalIPs()),
    ("", lambda m: AdminAccess(m.lookup)),  # upstream's is in the validation of claims
    ("PodResizeValidator", lambda m: PodResizeValidator(m.lookup)),
    (
        "MutatingAdmissionWebhook",
        lambda m: MutatingAdmissionWebhook(m.mutating, m.caller, m.lookup, m.printed, m.versions.others, m.typed),
    ),
    ("", lambda m: Escalation(m.authorizer)),  # upstream's is in the storage of roles and bindings
    ("", lambda m: WarnUnenforced(m.unenforced)),
    (
        "ValidatingAdmissionWebhook",
        lambda m: ValidatingAdmissionWebhook(m.validating, m.caller, m.lookup, m.printed, m.versions.others),
    ),
    ("ResourceQuota", lambda m: ResourceQuota(m.quotas, m.clock)),  # last: it notes what nobody else refuses
)
NAMES = frozenset(name for name, _ in CATALOGUE if name)
# All are enabled by default: those that upstream leaves off, too (NodeRestriction, DenyServiceExternalIPs).


def problems(enabled: Collection[str], disabled: Collection[str]) -> Iterator[str]:
    """What is wrong with the names that the two flags give, in upstream's words."""
    for flag, names in (("enable", enabled), ("disable", disabled)):
        for name in names:
            if name not in NAMES:
                yield f'{flag}-admission-plugins plugin "{name}" is unknown'
    if both := sorted({*enabled} & {*disabled}):
        yield f"[{' '.join(both)}] in enable-admission-plugins and disable-admission-plugins overlapped"


def plugins(means: Means, disabled: Collection[str] = ()) -> Sequence[Plugin]:
    """Those that are not disabled, in order."""
    return [make(means) for name, make in CATALOGUE if not name or name not in disabled]
