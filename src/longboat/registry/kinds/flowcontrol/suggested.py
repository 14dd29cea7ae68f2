"""Objects of priority and fairness that a server makes for a start: an administrator may change them, and then they
stay so (the annotation says whether they do).

Upstream's, to the letter (flowcontrol, internalbootstrap).
"""

from __future__ import annotations

from longboat.machinery.objects import Object
from longboat.registry.kinds.flowcontrol.mandatory import ANYTHING, EXEMPT, groups

AUTOUPDATE = "apf.kubernetes.io/autoupdate-spec"

_LEASES: Object = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "namespaces": ["*"]}
_SYSTEM_ACCOUNTS: Object = {"kind": "ServiceAccount", "serviceAccount": {"namespace": "kube-system", "name": "*"}}


def _users(*names: str) -> list[Object]:
    return [{"kind": "User", "user": {"name": f"system:{name}"}} for name in names]


def _schema(level: str, precedence: int, by: str, subjects: list[Object], *rules: Object) -> Object:
    """`rules`: resource rules; without any, all that there is."""
    what = {"resourceRules": list(rules)} if rules else ANYTHING
    return {
        "priorityLevelConfiguration": {"name": level},
        "matchingPrecedence": precedence,
        "distinguisherMethod": {"type": by},
        "rules": [{"subjects": subjects, **what}],
    }


def _level(shares: int, queues: int, hand: int, lends: int) -> Object:
    queuing = {"queues": queues, "handSize": hand, "queueLengthLimit": 50}
    return {
        "type": "Limited",
        "limited": {
            "nominalConcurrencyShares": shares,
            "lendablePercent": lends,
            "limitResponse": {"type": "Queue", "queuing": queuing},
        },
    }


SCHEMAS: dict[str, Object] = {
    "probes": {
        "priorityLevelConfiguration": {"name": EXEMPT},
        "matchingPrecedence": 2,
        "rules": [
            {
                "subjects": groups("unauthenticated", "authenticated"),
                "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}],
            }
        ],
    },
    "system-leader-election": _schema(
        "leader-election", 100, "ByUser",
        [*_users("kube-controller-manager", "kube-scheduler"), _SYSTEM_ACCOUNTS],
        {"verbs": ["get", "create", "update"], **_LEASES},
    ),
    "system-node-high": _schema(
        "node-high", 400, "ByUser", groups("nodes"),
        {
            "verbs": ["*"], "apiGroups": [""], "resources": ["nodes", "nodes/status"], "clusterScope": True,
            "namespaces": ["*"],
        },
        {"verbs": ["*"], **_LEASES},
    ),
    "system-nodes": _schema("system", 500, "ByUser", groups("nodes")),
    "kube-controller-manager": _schema("workload-high", 800, "ByNamespace", _users("kube-controller-manager")),
    "kube-scheduler": _schema("workload-high", 800, "ByNamespace", _users("kube-scheduler")),
    "kube-system-service-accounts": _schema("workload-high", 900, "ByNamespace", [_SYSTEM_ACCOUNTS]),
    "service-accounts": _schema("workload-low", 9000, "ByUser", groups("serviceaccounts")),
    "global-default": _schema("global-default", 9900, "ByUser", groups("unauthenticated", "authenticated")),
}  # fmt: skip
LEVELS: dict[str, Object] = {
    "system": _level(30, 64, 6, 33),
    "node-high": _level(40, 64, 6, 25),
    "leader-election": _level(10, 16, 4, 0),
    "workload-high": _level(40, 128, 6, 50),
    "workload-low": _level(100, 128, 6, 90),
    "global-default": _level(20, 128, 6, 50),
}
