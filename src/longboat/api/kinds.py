"""The identity of every built-in kind of v1.36's GA groups: written once, used by strategies and views alike."""

from __future__ import annotations

from longboat.machinery.kinds import Kind


def _group(group: str, version: str = "v1") -> _Group:
    return _Group(group, version)


class _Group:
    """Shorthand for the kinds of one group version."""

    def __init__(self, group: str, version: str) -> None:
        self.group, self.version = group, version

    def __call__(
        self, name: str, plural: str, *short: str, namespaced: bool = True, categories: tuple[str, ...] = ()
    ) -> Kind:
        return Kind(self.group, self.version, name, plural, short=short, categories=categories, namespaced=namespaced)


ALL = ("all",)

_core = _group("")
BINDING = _core("Binding", "bindings")
COMPONENT_STATUS = _core("ComponentStatus", "componentstatuses", "cs", namespaced=False)
CONFIG_MAP = _core("ConfigMap", "configmaps", "cm")
ENDPOINTS = _core("Endpoints", "endpoints", "ep")
CORE_EVENT = _core("Event", "events", "ev")
LIMIT_RANGE = _core("LimitRange", "limitranges", "limits")
NAMESPACE = _core("Namespace", "namespaces", "ns", namespaced=False)
NODE = _core("Node", "nodes", "no", namespaced=False)
PERSISTENT_VOLUME_CLAIM = _core("PersistentVolumeClaim", "persistentvolumeclaims", "pvc")
PERSISTENT_VOLUME = _core("PersistentVolume", "persistentvolumes", "pv", namespaced=False)
POD = _core("Pod", "pods", "po", categories=ALL)
POD_TEMPLATE = _core("PodTemplate", "podtemplates")
REPLICATION_CONTROLLER = _core("ReplicationController", "replicationcontrollers", "rc", categories=ALL)
RESOURCE_QUOTA = _core("ResourceQuota", "resourcequotas", "quota")
SECRET = _core("Secret", "secrets")
SERVICE_ACCOUNT = _core("ServiceAccount", "serviceaccounts", "sa")
SERVICE = _core("Service", "services", "svc", categories=ALL)

_apps = _group("apps")
CONTROLLER_REVISION = _apps("ControllerRevision", "controllerrevisions")
DAEMON_SET = _apps("DaemonSet", "daemonsets", "ds", categories=ALL)
DEPLOYMENT = _apps("Deployment", "deployments", "deploy", categories=ALL)
REPLICA_SET = _apps("ReplicaSet", "replicasets", "rs", categories=ALL)
STATEFUL_SET = _apps("StatefulSet", "statefulsets", "sts", categories=ALL)

_batch = _group("batch")
CRON_JOB = _batch("CronJob", "cronjobs", "cj", categories=ALL)
JOB = _batch("Job", "jobs", categories=ALL)

HPA_V1 = _group("autoscaling", "v1")("HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa", categories=ALL)
HPA = _group("autoscaling", "v2")("HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa", categories=ALL)

POD_DISRUPTION_BUDGET = _group("policy")("PodDisruptionBudget", "poddisruptionbudgets", "pdb")

_rbac = _group("rbac.authorization.k8s.io")
CLUSTER_ROLE_BINDING = _rbac("ClusterRoleBinding", "clusterrolebindings", namespaced=False)
CLUSTER_ROLE = _rbac("ClusterRole", "clusterroles", namespaced=False)
ROLE_BINDING = _rbac("RoleBinding", "rolebindings")
ROLE = _rbac("Role", "roles")

_networking = _group("networking.k8s.io")
INGRESS_CLASS = _networking("IngressClass", "ingressclasses", namespaced=False)
INGRESS = _networking("Ingress", "ingresses", "ing")
IP_ADDRESS = _networking("IPAddress", "ipaddresses", "ip", namespaced=False)
NETWORK_POLICY = _networking("NetworkPolicy", "networkpolicies", "netpol")
SERVICE_CIDR = _networking("ServiceCIDR", "servicecidrs", namespaced=False)

ENDPOINT_SLICE = _group("discovery.k8s.io")("EndpointSlice", "endpointslices")
EVENT = _group("events.k8s.io")("Event", "events", "ev")
LEASE = _group("coordination.k8s.io")("Lease", "leases")

_storage = _group("storage.k8s.io")
CSI_DRIVER = _storage("CSIDriver", "csidrivers", namespaced=False)
CSI_NODE = _storage("CSINode", "csinodes", namespaced=False)
CSI_STORAGE_CAPACITY = _storage("CSIStorageCapacity", "csistoragecapacities")
STORAGE_CLASS = _storage("StorageClass", "storageclasses", "sc", namespaced=False)
VOLUME_ATTACHMENT = _storage("VolumeAttachment", "volumeattachments", namespaced=False)
VOLUME_ATTRIBUTES_CLASS = _storage("VolumeAttributesClass", "volumeattributesclasses", "vac", namespaced=False)

PRIORITY_CLASS = _group("scheduling.k8s.io")("PriorityClass", "priorityclasses", "pc", namespaced=False)
RUNTIME_CLASS = _group("node.k8s.io")("RuntimeClass", "runtimeclasses", namespaced=False)

_metrics = _group("metrics.k8s.io", "v1beta1")
NODE_METRICS = _metrics("NodeMetrics", "nodes", namespaced=False)
POD_METRICS = _metrics("PodMetrics", "pods")

_certificates = _group("certificates.k8s.io")
CERTIFICATE_SIGNING_REQUEST = _certificates(
    "CertificateSigningRequest", "certificatesigningrequests", "csr", namespaced=False
)

_authentication = _group("authentication.k8s.io")
SELF_SUBJECT_REVIEW = _authentication("SelfSubjectReview", "selfsubjectreviews", namespaced=False)
TOKEN_REVIEW = _authentication("TokenReview", "tokenreviews", namespaced=False)
TOKEN_REQUEST = _authentication("TokenRequest", "tokenrequests")

_authorization = _group("authorization.k8s.io")
LOCAL_SUBJECT_ACCESS_REVIEW = _authorization("LocalSubjectAccessReview", "localsubjectaccessreviews")
SELF_SUBJECT_ACCESS_REVIEW = _authorization("SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False)
SELF_SUBJECT_RULES_REVIEW = _authorization("SelfSubjectRulesReview", "selfsubjectrulesreviews", namespaced=False)
SUBJECT_ACCESS_REVIEW = _authorization("SubjectAccessReview", "subjectaccessreviews", namespaced=False)

_admission = _group("admissionregistration.k8s.io")
_API_EXT = ("api-extensions",)
MUTATING_ADMISSION_POLICY = _admission(
    "MutatingAdmissionPolicy", "mutatingadmissionpolicies", namespaced=False, categories=_API_EXT
)
MUTATING_ADMISSION_POLICY_BINDING = _admission(
    "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", namespaced=False, categories=_API_EXT
)
MUTATING_WEBHOOK_CONFIGURATION = _admission(
    "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", namespaced=False, categories=_API_EXT
)
VALIDATING_ADMISSION_POLICY = _admission(
    "ValidatingAdmissionPolicy", "validatingadmissionpolicies", namespaced=False, categories=_API_EXT
)
VALIDATING_ADMISSION_POLICY_BINDING = _admission(
    "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", namespaced=False, categories=_API_EXT
)
VALIDATING_WEBHOOK_CONFIGURATION = _admission(
    "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", namespaced=False, categories=_API_EXT
)

CUSTOM_RESOURCE_DEFINITION = _group("apiextensions.k8s.io")(
    "CustomResourceDefinition", "customresourcedefinitions", "crd", "crds", namespaced=False, categories=_API_EXT
)
API_SERVICE = _group("apiregistration.k8s.io")("APIService", "apiservices", namespaced=False, categories=_API_EXT)

_flowcontrol = _group("flowcontrol.apiserver.k8s.io")
FLOW_SCHEMA = _flowcontrol("FlowSchema", "flowschemas", namespaced=False)
PRIORITY_LEVEL_CONFIGURATION = _flowcontrol(
    "PriorityLevelConfiguration", "prioritylevelconfigurations", namespaced=False
)

_resource = _group("resource.k8s.io")
DEVICE_CLASS = _resource("DeviceClass", "deviceclasses", namespaced=False)
RESOURCE_CLAIM = _resource("ResourceClaim", "resourceclaims")
RESOURCE_CLAIM_TEMPLATE = _resource("ResourceClaimTemplate", "resourceclaimtemplates")
RESOURCE_SLICE = _resource("ResourceSlice", "resourceslices", namespaced=False)

# Subresources whose bodies are kinds of their own.
SCALE = _group("autoscaling", "v1")("Scale", "scales")
EVICTION = _group("policy")("Eviction", "evictions")
