"""Roles of the controllers, each bound to the ServiceAccount of its name in kube-system."""

from __future__ import annotations

EVENTS = "\ncreate patch update: events events/events"

_PODS = "create delete get list patch watch: pods"

CONTROLLERS: dict[str, str] = {
    "attachdetach-controller": """
        list watch: persistentvolumes persistentvolumeclaims
        get list watch: nodes
        patch update: nodes/status
        list watch: pods
        create delete get list watch: storage/volumeattachments
        get list watch: storage/csidrivers storage/csinodes
    """,
    "clusterrole-aggregation-controller": "escalate get list patch update watch: rbac/clusterroles",
    "cronjob-controller": """
        get list update watch: batch/cronjobs
        create delete get list patch update watch: batch/jobs
        update: batch/cronjobs/status batch/cronjobs/finalizers
        delete list: pods
    """,
    # Upstream's drivers bring sidecars with roles of their own; ours are called through their nodes (nodes/csi).
    "csi-controller": """
        create delete get list patch update watch: persistentvolumes
        get list patch update watch: persistentvolumeclaims
        patch update: persistentvolumeclaims/status
        get list watch: pods nodes storage/storageclasses storage/csinodes storage/csidrivers
        get list patch update watch: storage/volumeattachments
        patch update: storage/volumeattachments/status
        get: secrets
        create: nodes/csi
    """,
    "daemon-set-controller": f"""
        get list watch: apps/daemonsets
        update: apps/daemonsets/status apps/daemonsets/finalizers
        list watch: nodes
        {_PODS}
        create: pods/binding
        create delete get list patch update watch: apps/controllerrevisions
    """,
    "deployment-controller": """
        get list update watch: apps/deployments
        patch update: apps/deployments/status
        update: apps/deployments/finalizers
        create delete get list patch update watch: apps/replicasets
        get list update watch: pods
    """,
    "disruption-controller": """
        get list watch: apps/deployments apps/replicasets apps/statefulsets policy/poddisruptionbudgets
        get list watch: replicationcontrollers pods
        patch update: policy/poddisruptionbudgets/status
        patch update: pods/status
        get: */*/scale
    """,
    "endpoint-controller": """
        get list watch: pods services
        create delete get list patch update watch: endpoints
        create: endpoints/restricted
    """,
    "endpointslice-controller": """
        get list watch: nodes pods services
        update: services/finalizers
        create delete get list patch update watch: discovery/endpointslices
        create: discovery/endpointslices/restricted
    """,
    "endpointslicemirroring-controller": """
        get list watch: endpoints services
        update: services services/finalizers endpoints/finalizers
        create delete get list patch update watch: discovery/endpointslices
        create: discovery/endpointslices/restricted
    """,
    "ephemeral-volume-controller": """
        get list watch: pods
        update: pods/finalizers
        create get list watch: persistentvolumeclaims
    """,
    "expand-controller": """
        get list patch update watch: persistentvolumes
        patch update: persistentvolumeclaims/status
        get list watch: persistentvolumeclaims
        get: services endpoints
    """,
    "generic-garbage-collector": "delete get list patch update watch: */*",
    "horizontal-pod-autoscaler": """
        get list watch: autoscaling/horizontalpodautoscalers
        update: autoscaling/horizontalpodautoscalers/status
        get update: */*/scale
        list: pods
        list: metrics/pods
    """,
    "ingress-controller": """
        get list watch: networking/ingresses networking/ingressclasses nodes
        patch update: networking/ingresses/status
    """,
    "job-controller": f"""
        get list patch update watch: batch/jobs
        patch update: batch/jobs/status
        update: batch/jobs/finalizers
        {_PODS}
    """,
    # Upstream reads pods from a copy that the whole process shares; ours asks for those of a namespace, once in years.
    "legacy-service-account-token-cleaner": "get: configmaps\ndelete get list patch watch: secrets\nlist: pods",
    "legacy-token-tracking-controller": """
        create: configmaps
        patch: configmaps @ kube-apiserver-legacy-service-account-token-tracking
    """,
    "namespace-controller": """
        delete get list watch: namespaces
        update: namespaces/finalize namespaces/status
        delete deletecollection get list: */*
    """,
    "node-controller": """
        delete get list patch update: nodes
        patch update: nodes/status
        patch update: pods/status
        delete list: pods
        get list watch: coordination/leases
        get list watch: nodes pods
    """,
    "persistent-volume-binder": """
        create delete get list patch update watch: persistentvolumes
        patch update: persistentvolumes/status persistentvolumeclaims/status
        get list patch update watch: persistentvolumeclaims
        get list watch: storage/storageclasses
        create delete get list watch: pods
        get list: nodes
    """,
    "pod-garbage-collector": """
        delete list watch: pods
        get list: nodes
        patch update: pods/status
        watch: nodes
    """,
    "pv-protection-controller": "get list update watch: persistentvolumes",
    "pvc-protection-controller": "get list update watch: persistentvolumeclaims\nget list watch: pods",
    "volumeattributesclass-protection-controller": """
        get list update watch: storage/volumeattributesclasses
        get list watch: persistentvolumeclaims persistentvolumes
    """,
    "replicaset-controller": f"""
        get list update watch: apps/replicasets
        patch update: apps/replicasets/status
        update: apps/replicasets/finalizers
        {_PODS}
    """,
    "replication-controller": f"""
        get list update watch: replicationcontrollers
        patch update: replicationcontrollers/status
        update: replicationcontrollers/finalizers
        {_PODS}
    """,
    "resourcequota-controller": "list watch: */*\npatch update: resourcequotas/status",
    "root-ca-cert-publisher": "create get list update watch: configmaps\nget list watch: namespaces",
    "route-controller": "list watch: nodes\npatch: nodes/status",
    "service-account-controller": "create get list watch: serviceaccounts\nget list watch: namespaces",
    "service-controller": """
        get list watch: services nodes
        patch update: services/status
    """,
    "statefulset-controller": f"""
        get list watch: apps/statefulsets
        update: apps/statefulsets/status apps/statefulsets/finalizers
        {_PODS}
        create delete get list patch update watch: apps/controllerrevisions
        create delete get list watch: persistentvolumeclaims
        update: persistentvolumeclaims
    """,
    "tokens-controller": "delete patch: secrets\nget patch: serviceaccounts",
    "ttl-after-finished-controller": "delete get list watch: batch/jobs",
    "ttl-controller": "list patch update watch: nodes",
    "validatingadmissionpolicy-status-controller": """
        get list watch: admissionregistration/validatingadmissionpolicies
        get patch update: admissionregistration/validatingadmissionpolicies/status
    """,
    "certificate-controller": """
        delete get list watch: certificates/certificatesigningrequests
        update: certificates/certificatesigningrequests/status certificates/certificatesigningrequests/approval
        sign approve: certificates/signers
        create: authorization/subjectaccessreviews
        get: nodes
    """,
}
