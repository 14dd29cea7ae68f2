"""Default roles of users and components: upstream's (v1.36), and what Longboat has of its own, apart.

The lines' form is explained in `api/rights.py`. A line is one of upstream's rules, and in its order.
"""

from __future__ import annotations

_DISCOVERY = "get: urls /api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/"

CLUSTER_ROLES: dict[str, str] = {
    "cluster-admin": "*: */*\n*: urls *",
    "system:discovery": _DISCOVERY,
    "system:public-info-viewer": "get: urls /healthz /livez /readyz /version /version/",
    "system:monitoring": """
        get: urls /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*
        get: nodes/metrics
    """,
    "system:basic-user": """
        create: authorization/selfsubjectaccessreviews authorization/selfsubjectrulesreviews
        create: authentication/selfsubjectreviews
    """,
    "system:node": """
        create: authentication/tokenreviews
        create: authorization/localsubjectaccessreviews authorization/subjectaccessreviews
        READ: services
        create get list watch: nodes
        patch update: nodes/status
        patch update: nodes
        create patch update: events events/events
        READ: pods
        create delete: pods
        patch update: pods/status
        create: pods/eviction
        READ: configmaps secrets
        get: persistentvolumeclaims persistentvolumes
        get: endpoints
        create get list watch: certificates/certificatesigningrequests
        create delete get patch update: coordination/leases
        get: storage/volumeattachments
        create: serviceaccounts/token
        get patch update: persistentvolumeclaims/status
        READ: storage/csidrivers
        create delete get patch update: storage/csinodes
        READ: node/runtimeclasses
        get: resource/resourceclaims
        deletecollection: resource/resourceslices
        get: serviceaccounts
    """,
    "system:node-problem-detector": "get: nodes\npatch: nodes/status\ncreate patch update: events events/events",
    "system:node-proxier": """
        list watch: endpoints services
        READ: nodes
        create patch update: events events/events
        list watch: networking/servicecidrs
        list watch: discovery/endpointslices
    """,
    "system:node-bootstrapper": "create get list watch: certificates/certificatesigningrequests",
    "system:auth-delegator": "create: authentication/tokenreviews\ncreate: authorization/subjectaccessreviews",
    "system:heapster": "READ: events pods nodes namespaces\nREAD: extensions/deployments",
    "system:kube-aggregator": "READ: services endpoints",
    "system:kubelet-api-admin": """
        READ: nodes
        proxy: nodes
        *: nodes/log nodes/metrics nodes/proxy nodes/stats
        *: nodes/configz nodes/healthz nodes/pods
    """,
    "system:kube-controller-manager": """
        create patch update: events events/events
        create: coordination/leases
        get update: coordination/leases @ kube-controller-manager
        create: secrets serviceaccounts
        delete: secrets
        get: configmaps namespaces secrets serviceaccounts
        update: secrets serviceaccounts
        create: authentication/tokenreviews
        create: authorization/subjectaccessreviews
        list watch: */*
        create: serviceaccounts/token
    """,
    "system:kube-scheduler": """
        create patch update: events events/events
        create: coordination/leases
        get list update watch: coordination/leases @ kube-scheduler
        READ WRITE: coordination/leasecandidates
        READ: nodes
        delete get list watch: pods
        create: bindings pods/binding
        patch update: pods/status
        READ: replicationcontrollers services
        READ: apps/replicasets extensions/replicasets
        READ: apps/statefulsets
        READ: policy/poddisruptionbudgets
        READ: persistentvolumeclaims persistentvolumes
        create: authentication/tokenreviews
        create: authorization/subjectaccessreviews
        READ: storage/csinodes
        READ: storage/volumeattachments
        READ: namespaces
        READ: storage/csidrivers
        READ: storage/csistoragecapacities
        READ: resource/deviceclasses
        READ patch update: resource/resourceclaims
        READ patch update: resource/resourceclaims/status
        update: pods/finalizers
        READ: resource/resourceslices
    """,
    "system:kube-dns": "list watch: endpoints services",
    "system:persistent-volume-provisioner": """
        create delete get list watch: persistentvolumes
        get list update watch: persistentvolumeclaims
        READ: storage/storageclasses
        watch: events
        create patch update: events events/events
    """,
    "system:volume-scheduler": """
        get list patch update watch: persistentvolumes
        READ: storage/storageclasses
        get list patch update watch: persistentvolumeclaims
    """,
    "system:certificates.k8s.io:certificatesigningrequests:nodeclient": (
        "create: certificates/certificatesigningrequests/nodeclient"
    ),
    "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient": (
        "create: certificates/certificatesigningrequests/selfnodeclient"
    ),
    "system:certificates.k8s.io:kube-apiserver-client-approver": (
        "approve: certificates/signers @ kubernetes.io/kube-apiserver-client"
    ),
    "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver": (
        "approve: certificates/signers @ kubernetes.io/kube-apiserver-client-kubelet"
    ),
    "system:certificates.k8s.io:kubelet-serving-approver": (
        "approve: certificates/signers @ kubernetes.io/kubelet-serving"
    ),
    "system:certificates.k8s.io:legacy-unknown-approver": (
        "approve: certificates/signers @ kubernetes.io/legacy-unknown"
    ),
    "system:service-account-issuer-discovery": (
        "get: urls /.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks "
        "/openid/v1/jwks/"
    ),
}

# Longboat's own: what nodes' certificates for serving and for the network are approved by.
for _signed in ("selfnetworkclient", "selfnodeserver"):
    _asked = f"certificatesigningrequests/{_signed}"
    CLUSTER_ROLES[f"system:certificates.k8s.io:certificatesigningrequests:{_signed}"] = f"create: certificates/{_asked}"

_EXTENSIONS = (
    "extensions/daemonsets extensions/deployments extensions/deployments/scale extensions/ingresses "
    "extensions/networkpolicies extensions/replicasets extensions/replicasets/scale "
    "extensions/replicationcontrollers/scale"
)
_VIEW = f"""
    READ: configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers \
        replicationcontrollers/scale serviceaccounts services services/status
    READ: bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status \
        resourcequotas resourcequotas/status
    READ: namespaces
    READ: discovery/endpointslices
    READ: apps/controllerrevisions apps/daemonsets apps/daemonsets/status apps/deployments apps/deployments/scale \
        apps/deployments/status apps/replicasets apps/replicasets/scale apps/replicasets/status apps/statefulsets \
        apps/statefulsets/scale apps/statefulsets/status
    READ: autoscaling/horizontalpodautoscalers autoscaling/horizontalpodautoscalers/status
    READ: batch/cronjobs batch/cronjobs/status batch/jobs batch/jobs/status
    READ: {_EXTENSIONS} extensions/daemonsets/status extensions/deployments/status extensions/ingresses/status \
        extensions/replicasets/status
    READ: policy/poddisruptionbudgets policy/poddisruptionbudgets/status
    READ: networking/ingresses networking/ingresses/status networking/networkpolicies
    READ: resource/resourceclaims resource/resourceclaims/status resource/resourceclaimtemplates
"""
_EDIT = f"""
    READ: pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy
    impersonate: serviceaccounts
    WRITE: pods pods/attach pods/exec pods/portforward pods/proxy
    create: pods/eviction
    WRITE: configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets \
        serviceaccounts services services/proxy
    create: serviceaccounts/token
    WRITE: apps/daemonsets apps/deployments apps/deployments/rollback apps/deployments/scale apps/replicasets \
        apps/replicasets/scale apps/statefulsets apps/statefulsets/scale
    WRITE: autoscaling/horizontalpodautoscalers
    WRITE: batch/cronjobs batch/jobs
    WRITE: {_EXTENSIONS} extensions/deployments/rollback
    WRITE: policy/poddisruptionbudgets
    WRITE: networking/ingresses networking/networkpolicies
    READ WRITE: coordination/leases
    WRITE: resource/resourceclaims resource/resourceclaimtemplates
"""
_ADMIN = """
    create: authorization/localsubjectaccessreviews
    READ WRITE: rbac/rolebindings rbac/roles
"""

# text, the roles it is part of, the label it gathers
USER_ROLES: dict[str, tuple[str, tuple[str, ...], str]] = {
    "admin": ("", (), "admin"),
    "edit": ("", ("admin",), "edit"),
    "view": ("", ("edit",), "view"),
    "system:aggregate-to-admin": (_ADMIN, ("admin",), ""),
    "system:aggregate-to-edit": (_EDIT, ("edit",), ""),
    "system:aggregate-to-view": (_VIEW, ("view",), ""),
    "system:longboat:metrics-reader": ("READ: metrics/pods metrics/nodes", ("admin", "edit", "view"), ""),
}

ADMINISTRATORS = "longboat:cluster-admins"  # the group of who owns the cluster (kubeadm's is kubeadm:cluster-admins)

CLUSTER_BINDINGS: dict[str, tuple[str, ...]] = {
    "cluster-admin": ("group:system:masters",),
    "system:monitoring": ("group:system:monitoring",),
    "system:discovery": ("group:system:authenticated",),
    "system:basic-user": ("group:system:authenticated",),
    "system:public-info-viewer": ("group:system:authenticated", "group:system:unauthenticated"),
    # For nodes the Node authorizer decides, one by one. Simulated nodes share an agent, which is none of them.
    "system:node": ("user:system:longboat:simulated-nodes",),
    # What an agent does for the network is done under a name of its own: a node has no business with others' pods.
    "system:node-proxier": ("user:system:kube-proxy", "group:system:longboat:network"),
    "system:certificates.k8s.io:certificatesigningrequests:selfnetworkclient": ("group:system:nodes",),
    # Machines that join with a token get a certificate; nodes renew theirs, and get one to serve with.
    "system:node-bootstrapper": ("group:system:bootstrappers",),
    "system:certificates.k8s.io:certificatesigningrequests:nodeclient": ("group:system:bootstrappers",),
    "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient": ("group:system:nodes",),
    "system:certificates.k8s.io:certificatesigningrequests:selfnodeserver": ("group:system:nodes",),
    # By which this server speaks to nodes: they ask it what the name may do there.
    "system:kubelet-api-admin": ("user:kube-apiserver-kubelet-client",),
    "system:kube-controller-manager": ("user:system:kube-controller-manager",),
    "system:kube-dns": ("sa:kube-system/kube-dns",),
    "system:kube-scheduler": ("user:system:kube-scheduler",),
    "system:volume-scheduler": ("user:system:kube-scheduler",),
    "system:service-account-issuer-discovery": ("group:system:serviceaccounts",),
}

# What default roles gave in former versions, to the letter: taken back when a cluster of those starts.
WITHDRAWN: dict[str, str] = {
    "system:controller:csi-controller": "create: nodes/proxy",
}

_LOCKING = """
    watch: configmaps
    get update: configmaps @ {0}
    create get list update watch: coordination/leases
    create get list update watch: coordination/leasecandidates
"""
ROLES: dict[tuple[str, str], str] = {
    ("kube-system", "extension-apiserver-authentication-reader"): (
        "READ: configmaps @ extension-apiserver-authentication"
    ),
    ("kube-system", "system:controller:bootstrap-signer"): "READ: secrets",
    ("kube-system", "system:controller:cloud-provider"): "create get list watch: configmaps",
    ("kube-system", "system::leader-locking-kube-controller-manager"): _LOCKING.format("kube-controller-manager"),
    ("kube-system", "system::leader-locking-kube-scheduler"): _LOCKING.format("kube-scheduler"),
    ("kube-public", "system:longboat:cluster-info"): "get: configmaps @ cluster-info",
    ("kube-public", "system:controller:bootstrap-signer"): (
        "READ: configmaps\nupdate: configmaps @ cluster-info\ncreate patch update: events events/events"
    ),
}

BINDING_NAMES = {"extension-apiserver-authentication-reader": "system::extension-apiserver-authentication-reader"}
BINDINGS: dict[tuple[str, str], tuple[str, ...]] = {
    ("kube-system", "extension-apiserver-authentication-reader"): (
        "user:system:kube-controller-manager", "user:system:kube-scheduler",
    ),
    ("kube-system", "system:controller:bootstrap-signer"): ("sa:kube-system/bootstrap-signer",),
    ("kube-system", "system:controller:cloud-provider"): ("sa:kube-system/cloud-provider",),
    ("kube-system", "system::leader-locking-kube-controller-manager"): (
        "user:system:kube-controller-manager", "sa:kube-system/kube-controller-manager",
    ),
    ("kube-system", "system::leader-locking-kube-scheduler"): (
        "user:system:kube-scheduler", "sa:kube-system/kube-scheduler",
    ),
    # A machine that is about to join has only a token, which names the CA: it asks before it can know the server.
    ("kube-public", "system:longboat:cluster-info"): ("group:system:unauthenticated", "group:system:authenticated"),
    ("kube-public", "system:controller:bootstrap-signer"): ("sa:kube-system/bootstrap-signer",),
}  # fmt: skip
