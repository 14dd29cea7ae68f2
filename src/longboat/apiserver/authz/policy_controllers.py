"""Roles of upstream's controllers (v1.36), each bound to the ServiceAccount of its name in kube-system.

Somebody may run them in place of ours or beside them. What ours need besides they declare themselves (0182), and
`tests/golden/own_rights.txt` lists. Left out are roles, and parts of roles, behind feature gates that are off unless
turned on, for what is not served here: devicetaintrules, clustertrustbundles, podcertificaterequests, podgroups and
workloads, storageversionmigrations, resourceclaims/binding.
"""

from __future__ import annotations

from collections.abc import Iterator

from longboat.api.rights import Rights

EVENTS = "create patch update: events events/events"

# A line is one of upstream's rules, and in its order. EVENTS stands for the rule that most have.
CONTROLLERS: dict[str, str] = {
    "attachdetach-controller": """
        list watch: persistentvolumeclaims persistentvolumes
        READ: nodes
        patch update: nodes/status
        list watch: pods
        EVENTS
        create delete get list watch: storage/volumeattachments
        READ: storage/csidrivers
        READ: storage/csinodes
    """,
    "certificate-controller": """
        delete get list watch: certificates/certificatesigningrequests
        update: certificates/certificatesigningrequests/approval certificates/certificatesigningrequests/status
        approve: certificates/signers @ kubernetes.io/kube-apiserver-client-kubelet
        sign: certificates/signers @ kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet \
            kubernetes.io/kubelet-serving kubernetes.io/legacy-unknown
        create: authorization/subjectaccessreviews
        EVENTS
    """,
    "clusterrole-aggregation-controller": "escalate get list patch update watch: rbac/clusterroles",
    "cronjob-controller": """
        get list update watch: batch/cronjobs
        create delete get list patch update watch: batch/jobs
        update: batch/cronjobs/status
        update: batch/cronjobs/finalizers
        delete list watch: pods
        EVENTS
    """,
    "daemon-set-controller": """
        READ: apps/daemonsets extensions/daemonsets
        update: apps/daemonsets/status extensions/daemonsets/status
        update: apps/daemonsets/finalizers extensions/daemonsets/finalizers
        list watch: nodes
        create delete list patch watch: pods
        create: pods/binding
        create delete get list patch update watch: apps/controllerrevisions
        EVENTS
    """,
    "deployment-controller": """
        get list update watch: apps/deployments extensions/deployments
        update: apps/deployments/status extensions/deployments/status
        update: apps/deployments/finalizers extensions/deployments/finalizers
        create delete get list patch update watch: apps/replicasets extensions/replicasets
        get list update watch: pods
        EVENTS
    """,
    "disruption-controller": """
        READ: apps/deployments extensions/deployments
        READ: apps/replicasets extensions/replicasets
        READ: replicationcontrollers
        READ: policy/poddisruptionbudgets
        READ: apps/statefulsets
        update: policy/poddisruptionbudgets/status
        patch update: pods/status
        get: */*/scale
        EVENTS
    """,
    "endpoint-controller": """
        READ: pods services
        create delete get list update watch: endpoints
        create: endpoints/restricted
        EVENTS
    """,
    "endpointslice-controller": """
        READ: nodes pods services
        update: services/finalizers
        create delete get list update watch: discovery/endpointslices
        EVENTS
    """,
    "endpointslicemirroring-controller": """
        READ: endpoints services
        update: services/finalizers
        update: endpoints/finalizers
        create delete get list update watch: discovery/endpointslices
        EVENTS
    """,
    "ephemeral-volume-controller": """
        READ: pods
        update: pods/finalizers
        create get list watch: persistentvolumeclaims
        EVENTS
    """,
    "expand-controller": """
        get list patch update watch: persistentvolumes
        patch update: persistentvolumeclaims/status
        READ: persistentvolumeclaims
        EVENTS
    """,
    "generic-garbage-collector": """
        delete get list patch update watch: */*
        EVENTS
    """,
    "horizontal-pod-autoscaler": """
        READ: autoscaling/horizontalpodautoscalers
        update: autoscaling/horizontalpodautoscalers/status
        get update: */*/scale
        list watch: pods
        list watch: metrics/pods
        READ: custom.metrics/*
        READ: external.metrics/*
        EVENTS
    """,
    "job-controller": """
        get list patch update watch: batch/jobs
        update: batch/jobs/status
        update: batch/jobs/finalizers
        create delete list patch watch: pods
        EVENTS
    """,
    "legacy-service-account-token-cleaner": """
        get: configmaps @ kube-apiserver-legacy-service-account-token-tracking
        delete patch: secrets
    """,
    "namespace-controller": """
        delete get list watch: namespaces
        update: namespaces/finalize namespaces/status
        delete deletecollection get list watch: */*
    """,
    "node-controller": """
        delete get list patch update watch: nodes
        patch update: nodes/status
        patch update: pods/status
        delete get list watch: pods
        READ: coordination/leases
        EVENTS
    """,
    "persistent-volume-binder": """
        create delete get list update watch: persistentvolumes
        update: persistentvolumes/status
        get list update watch: persistentvolumeclaims
        update: persistentvolumeclaims/status
        create delete get list watch: pods
        READ: storage/storageclasses
        list watch: nodes
        EVENTS
        watch: events
    """,
    "pod-garbage-collector": """
        delete list watch: pods
        READ: nodes
        patch: pods/status
    """,
    "pv-protection-controller": """
        get list update watch: persistentvolumes
        EVENTS
    """,
    "pvc-protection-controller": """
        get list update watch: persistentvolumeclaims
        update: persistentvolumeclaims/status
        READ: pods
        EVENTS
    """,
    "replicaset-controller": """
        get list update watch: apps/replicasets extensions/replicasets
        update: apps/replicasets/status extensions/replicasets/status
        update: apps/replicasets/finalizers extensions/replicasets/finalizers
        create delete list patch watch: pods
        EVENTS
    """,
    "replication-controller": """
        get list update watch: replicationcontrollers
        update: replicationcontrollers/status
        update: replicationcontrollers/finalizers
        create delete list patch watch: pods
        EVENTS
    """,
    "resource-claim-controller": """
        READ: pods
        update: pods/finalizers
        create delete get list watch: resource/resourceclaims
        patch update: resource/resourceclaims resource/resourceclaims/status
        patch update: pods/status
        EVENTS
    """,
    "resourcequota-controller": """
        list watch: */*
        update: resourcequotas/status
        EVENTS
    """,
    "root-ca-cert-publisher": """
        create update: configmaps
        EVENTS
    """,
    "route-controller": """
        list watch: nodes
        patch: nodes/status
        EVENTS
    """,
    "selinux-warning-controller": """
        EVENTS
        READ: persistentvolumes
        READ: persistentvolumeclaims
        READ: pods
        READ: storage/csidrivers
    """,
    "service-account-controller": """
        create: serviceaccounts
        EVENTS
    """,
    "service-cidrs-controller": """
        get list patch update watch: networking/servicecidrs
        patch update: networking/servicecidrs/finalizers
        patch update: networking/servicecidrs/status
        READ: networking/ipaddresses
        EVENTS
    """,
    "service-controller": """
        READ: services
        patch update: services/status
        list watch: nodes
        EVENTS
    """,
    "statefulset-controller": """
        list watch: pods
        READ: apps/statefulsets
        update: apps/statefulsets/status
        update: apps/statefulsets/finalizers
        create delete get patch update: pods
        create delete get list patch update watch: apps/controllerrevisions
        create get list watch: persistentvolumeclaims
        delete update: persistentvolumeclaims
        update: pods/finalizers
        EVENTS
    """,
    "ttl-after-finished-controller": """
        delete get list watch: batch/jobs
        EVENTS
    """,
    "ttl-controller": """
        list patch update watch: nodes
        EVENTS
    """,
    "validatingadmissionpolicy-status-controller": """
        READ: admissionregistration/validatingadmissionpolicies
        get patch update: admissionregistration/validatingadmissionpolicies/status
        EVENTS
    """,
    "volumeattributesclass-protection-controller": """
        READ: persistentvolumeclaims
        READ: persistentvolumes
        get list update watch: storage/volumeattributesclasses
        EVENTS
    """,
}


# In the namespace where the tokens are, and nowhere else.
TOKEN_CLEANER = """
    delete get list watch: secrets
    EVENTS
"""


def rights() -> Iterator[Rights]:
    for name, lines in CONTROLLERS.items():
        yield _rights(name, lines)
    yield _rights("token-cleaner", TOKEN_CLEANER, "kube-system")


def _rights(name: str, lines: str, namespace: str = "") -> Rights:
    said, subject = lines.replace("EVENTS", EVENTS), f"sa:kube-system/{name}"
    return Rights(role=f"system:controller:{name}", subject=subject, lines=said, namespace=namespace)
